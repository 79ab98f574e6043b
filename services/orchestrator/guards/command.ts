import { z } from 'zod'
import { guard } from '../../shared/guard.ts'
import { subjectToken } from '../config.ts'

const commandSchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, 'must be 1 to 128 letters, digits, - and _'),
  host: subjectToken,
  verb: subjectToken,
  args: z.record(z.string().max(255), z.json()).default({}),
})

export type Command = z.output<typeof commandSchema>

/** A body as it came, or why it could not be read. */
export interface CommandFormContext {
  readonly given?: unknown
  readonly unreadable?: string
  /** What was read. */
  command?: Command
  found?: string
}

/** Strict, and a host and a verb are one token each: what a caller says becomes part of a subject. */
export const commandForm = guard<CommandFormContext>('command-form', ['command_invalid'], (context) => {
  const read = commandSchema.safeParse(context.given)
  if (read.success && context.unreadable === undefined) {
    context.command = read.data
    return undefined
  }
  const mistakes = read.error?.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`) ?? []
  context.found = context.unreadable ?? mistakes.join('; ')
  return { reason: 'command_invalid', status: 400, error: 'invalid_request' }
})

/** What nobody would ever fetch is not kept. */
export const commandHost = guard<{ host: string; hosts: readonly string[] }>(
  'command-host',
  ['host_unknown'],
  ({ host, hosts }) =>
    hosts.includes(host) ? undefined : { reason: 'host_unknown', status: 404, error: 'host_unknown' },
)

/** An id stands for one command, at any time. */
export const commandId = guard<{ digest: string; known: string }>(
  'command-id',
  ['command_conflict'],
  ({ digest, known }) =>
    digest === known ? undefined : { reason: 'command_conflict', status: 409, error: 'command_conflict' },
)

export type PublishProblem = 'broker_unavailable' | 'stream_full'

/** Whoever is answered 202 can rely on it: the broker has it on its disk. */
export const commandBroker = guard<{ problem: PublishProblem | undefined }>(
  'command-broker',
  ['broker_unavailable', 'stream_full'],
  ({ problem }) =>
    problem === undefined ? undefined : { reason: problem, status: 503, error: problem, retryAfter: 1 },
)
