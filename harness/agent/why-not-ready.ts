import { readdir, readFile, readlink } from 'node:fs/promises'
import { type Label, processesOf } from './labelled.ts'

// What a program does instead of what its probe asks for, in words of who wrote it.

const speech = [
  [
    /no application protocol/,
    'it agrees to no HTTP/1.1 in the handshake (ALPN, RFC 7301), as one does that speaks HTTP/2 alone; let it offer http/1.1, too',
  ],
  [
    /wrong version number|packet length too long|http request/,
    'what answers there speaks no TLS, but plain HTTP, say; let it serve with its certificate and key',
  ],
] as const

/** Why a call came to nothing. */
export function plainly(cause: Error): string | undefined {
  const known = speech.find(([pattern]) => pattern.test(cause.message))
  if (known !== undefined) return known[1]
  const { rawPacket } = cause as { rawPacket?: Buffer }
  // RFC 9113 section 3.4: the first frame of a server is its settings, of type 4.
  if (rawPacket?.[3] === 4)
    return 'it speaks HTTP/2, which was not agreed (RFC 9113 section 3.2); let it speak HTTP/1.1, too'
  return undefined
}

/** What its last lines mean, where its address is taken. */
export function addressTaken(log: readonly string[]): string {
  const isTaken = log.some((line) => /EADDRINUSE|address (already )?in use/i.test(line))
  if (!isTaken) return ''
  return '; others of the run listen on that port, each at its own address: let it listen at the address that it is told, not at all of them, or on another port'
}

/** `; its program listens at 127.0.0.1:3000`; nothing where that cannot be seen. */
export async function listensElsewhere(label: Label): Promise<string> {
  const places = await listeningAt(label).catch(() => undefined)
  if (places === undefined) return ''
  return places.length === 0 ? '; its program listens nowhere' : `; its program listens at ${places.join(', ')}`
}

/** Where the programs of a unit accept connections. Linux alone tells. */
async function listeningAt(label: Label): Promise<string[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const listening = new Map(tables.flatMap((table) => table.split('\n').flatMap(socketIn)))
  const own = await Promise.all((await processesOf(label)).map(socketsOf))
  return [...new Set(own.flat().flatMap((inode) => listening.get(inode) ?? []))]
}

async function socketsOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`
  const links = await readdir(folder).then(
    (names) => Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => ''))),
    () => [],
  )
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [])
}

/** A row of a table of the kernel, by its inode (proc_pid_net(5)): those that listen, with the place in its text form. */
function socketIn(row: string): [inode: string, place: string][] {
  const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/)
  const [address = '', port = ''] = local.split(':')
  return state === '0A' ? [[inode, `${addressText(address)}:${Number.parseInt(port, 16)}`]] : []
}

/** Words of four bytes, each in the order of this machine: that of all that Node runs on but a few. */
function addressText(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => word.match(/../g)!.toReversed())
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.')
  const groups = bytes.join('').match(/.{4}/g) ?? []
  return new URL(`http://[${groups.join(':')}]`).hostname
}
