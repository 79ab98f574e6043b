import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { publicKey } from '../shared/nats/public-key.ts'
import { ACCOUNT_NAMES, USER_NAMES } from '../shared/nats/roles.ts'
import { RequestInvalid } from './failures.ts'
import { jsonOf } from './setup.ts'

const users = z.array(z.enum(USER_NAMES)).min(1)

/** Default: every user whose credentials are handed over. */
export const rotationSchema = z.strictObject({
  users: users.optional(),
  /** Default: as configured. */
  overlapSeconds: z.int().min(0).max(86_400).optional(),
})

/** Users by name, with all keys that they have; or one key of an account, or all of them. */
export const revocationSchema = z.union([
  z.strictObject({ users }),
  z.strictObject({ account: z.enum(ACCOUNT_NAMES), key: z.union([publicKey('U'), z.literal('*')]) }),
])

export type Rotation = z.output<typeof rotationSchema>
export type Revocation = z.output<typeof revocationSchema>

export interface RequestOptions {
  /** A JSON file; `-` for standard input, which may be empty. */
  readonly request?: string
  /** Names, for whom no file is needed. */
  readonly user?: readonly string[]
}

/** What is asked for, by a file or by names. @throws RequestInvalid */
export function readRequest<Schema extends z.ZodType>(schema: Schema, options: RequestOptions): z.output<Schema> {
  const { request, user } = options
  if (request !== undefined && user !== undefined) throw new RequestInvalid('give --request or --user, and not both')
  const value = user === undefined ? requestIn(request) : { users: user }
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const mistakes = read.error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'it'}: ${message}`)
  throw new RequestInvalid(`the request cannot be followed: ${mistakes.join('; ')}; see the README for its form`)
}

function requestIn(request: string | undefined): unknown {
  if (request === undefined) return {}
  const text = readFileSync(request === '-' ? 0 : request, 'utf8').trim()
  if (text === '') return {}
  const value = jsonOf(text)
  if (value === undefined) throw new RequestInvalid('the request is not JSON')
  return value
}
