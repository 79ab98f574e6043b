import type { Probe } from '../../topology/plan.ts'

const PROTOCOL_3 = 196_608

/**
 * Ready is who answers a start-up message by asking for a password, as pg_isready has it: while a server starts, recovers or stops, it
 * answers with an error of class 57. One of class 28 says that it judges who may come, and how: with TLS, say.
 */
export function answersLogins(port: number, { user, database }: { user: string; database: string }): Probe {
  return { tcp: { port, greeting: startUpMessage({ user, database }).toString('base64'), answer: '^(R|E.*\\0C28)' } }
}

/** Protocol 3.0: length, version, then names and values, each ended by a NUL, and one more. */
function startUpMessage(parameters: Readonly<Record<string, string>>): Buffer {
  const text = Buffer.from(`${Object.entries(parameters).flat().join('\0')}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(head.length + text.length, 0)
  head.writeInt32BE(PROTOCOL_3, 4)
  return Buffer.concat([head, text])
}
