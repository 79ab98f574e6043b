import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

/** As PostgreSQL makes them by default (`scram_iterations`); RFC 7677 section 4 demands no fewer. */
const ITERATIONS = 4_096

/**
 * What a server keeps of a password (RFC 5803, as PostgreSQL spells it), so that it is never told the password itself. The password is
 * taken as it is: what is prepared otherwise by SASLprep, beyond ASCII, is refused before.
 */
export function scramVerifier(password: string, salt: Uint8Array = randomBytes(16), iterations = ITERATIONS): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const keyed = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(keyed('Client Key')).digest('base64')
  const serverKey = keyed('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`
}
