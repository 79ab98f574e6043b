import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import tls, { type TLSSocket } from 'node:tls'
import { HoldfastError } from '../../errors.ts'

/** The key of those who may lead agents from afar cannot be used. Code `HOLDFAST_KEY_UNUSABLE`. */
export class KeyUnusable extends HoldfastError {
  constructor(file: string, what: string, options?: ErrorOptions) {
    super('HOLDFAST_KEY_UNUSABLE', `${file} ${what}; write 64 hexadecimal digits into a file of mode 0600`, options)
  }
}

/** Reads a key: 32 bytes, as hexadecimal digits, in a file that nobody else can read. @throws KeyUnusable */
export async function readKey(file: string): Promise<Buffer> {
  const { mode } = await stat(file).catch((cause: unknown) => {
    throw new KeyUnusable(file, 'cannot be read', { cause })
  })
  if ((mode & 0o077) !== 0) throw new KeyUnusable(file, `has mode ${(mode & 0o777).toString(8).padStart(4, '0')}`)
  const text = (await readFile(file, 'utf8')).trim()
  if (!/^[0-9a-f]{64}$/.test(text)) throw new KeyUnusable(file, 'holds no such key')
  return Buffer.from(text, 'hex')
}

const identity = 'holdfast'
// RFC 5489: both ends prove that they have the key, and what they say stays secret when it comes out later. Node has such keys up to TLS 1.2.
const suite = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const

/** To prove that one has the key. Whatever stands before a machine may take a connection, and say nothing on it. */
const PROVEN_WITHIN_MS = 10_000
/** A machine that lost its power says no word: then the system asks, and ends the connection some seconds later. */
const ASKED_AFTER_MS = 10_000

/** Listens for those who have the key. */
export function keyServer(key: Buffer, onStream: (stream: TLSSocket) => void): tls.Server {
  const pskCallback = (_: TLSSocket, who: string) => (who === identity ? key : null)
  const bounds = { handshakeTimeout: PROVEN_WITHIN_MS, keepAlive: true, keepAliveInitialDelay: ASKED_AFTER_MS }
  const server = tls.createServer({ ...suite, ...bounds, pskCallback, allowHalfOpen: true }, (stream) => {
    stream.on('error', () => {})
    onStream(stream)
  })
  // Somebody without the key keeps no connection, and ends no server: neither by what he says, nor by so many that none more can be accepted.
  server.on('tlsClientError', (_, stream) => stream.destroy())
  server.on('error', () => {})
  return server
}

/** Calls one who has the key, too. Rejects with the error of the system, or of TLS, and when that takes too long or `signal` says so. */
export async function callWithKey(
  key: Buffer,
  to: { address: string; port: number },
  { withinMs = PROVEN_WITHIN_MS, signal }: { withinMs?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<TLSSocket> {
  const late = AbortSignal.timeout(withinMs)
  const stream = tls.connect({
    ...suite,
    host: to.address,
    port: to.port,
    allowHalfOpen: true,
    pskCallback: () => ({ psk: key, identity }),
    // There is no certificate to look at: the key is the proof.
    checkServerIdentity: () => undefined,
  } as tls.ConnectionOptions)
  try {
    await once(stream, 'secureConnect', { signal: signal === undefined ? late : AbortSignal.any([late, signal]) })
  } catch (cause) {
    stream.destroy()
    signal?.throwIfAborted()
    if (late.aborted) throw new Error(`nobody there proved within ${withinMs / 1000} s that he has the key`)
    throw cause
  }
  stream.setNoDelay(true)
  stream.setKeepAlive(true, ASKED_AFTER_MS)
  stream.on('error', () => {})
  return stream
}
