import { plainText } from '../shared/text-table.ts'
import type { StreamEvent } from './event-stream.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Cluster } from './open-cluster.ts'

/** Shows events as they come, each on a line of its own. A stream has no good end: whoever follows it ends the program. @throws CommandFailed */
export async function followEvents({ node, isForPrograms }: Cluster): Promise<never> {
  // Whoever reads the lines may have seen enough.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : EXIT.unreachable))
  for await (const event of node.events('/v1/events')) {
    if (event.event === 'end') throw endOf(event, node.url.host)
    process.stdout.write(`${isForPrograms ? lineForPrograms(event) : lineForPeople(event)}\n`)
  }
  throw new CommandFailed('stream_ended', `${node.url.host} ended the stream without a reason`, EXIT.unreachable)
}

function lineForPrograms({ event, data }: StreamEvent): string {
  return JSON.stringify({ event, data: parsed(data) ?? data })
}

function lineForPeople({ event, data }: StreamEvent): string {
  const value = parsed(data)
  const isObject = value !== null && typeof value === 'object'
  const facts = isObject
    ? Object.entries(value)
        .map(([name, member]) => `${name} ${shown(member)}`)
        .join('  ')
    : data
  return plainText(`${new Date().toISOString()}  ${event}  ${facts}`)
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

/** The node says why it ends a stream: that the token is accepted no more, say. */
function endOf({ data }: StreamEvent, host: string): CommandFailed {
  const value = parsed(data) as { reason?: unknown } | undefined
  const reason = plainText(String(value?.reason ?? 'no reason'))
  const isRefusal = reason === 'credential_ended'
  const hint = isRefusal ? '; give the token that is accepted now' : ''
  const text = `${host} ended the stream (${reason})${hint}`
  return new CommandFailed(reason, text, isRefusal ? EXIT.refused : EXIT.unreachable)
}
