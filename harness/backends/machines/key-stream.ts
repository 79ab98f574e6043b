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

/** Listens for those who have the key. */
export function keyServer(key: Buffer, onStream: (stream: TLSSocket) => void): tls.Server {
  const pskCallback = (_: TLSSocket, who: string) => (who === identity ? key : null)
  const server = tls.createServer({ ...suite, pskCallback, allowHalfOpen: true }, (stream) => {
    stream.on('error', () => {})
    onStream(stream)
  })
  // Somebody without the key ends no server.
  server.on('tlsClientError', () => {})
  return server
}

/** Calls one who has the key, too. Rejects with the error of the system, or of TLS. */
export async function callWithKey(key: Buffer, to: { address: string; port: number }): Promise<TLSSocket> {
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
    await once(stream, 'secureConnect')
  } catch (cause) {
    stream.destroy()
    throw cause
  }
  stream.setNoDelay(true)
  stream.on('error', () => {})
  return stream
}
