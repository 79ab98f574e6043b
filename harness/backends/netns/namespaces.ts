import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { hostsText } from '../../agent/hosts-file.ts'
import { killProcessesOf } from '../../agent/labelled.ts'
import { HoldfastError } from '../../errors.ts'
import type { Link, Network } from './addresses.ts'
import { Holders } from './holders.ts'
import { entering, type Machine, unsharing } from './machine.ts'

/** The namespaces of a run could not be made. Code `HOLDFAST_NETNS_FAILED`. */
export class NamespacesFailed extends HoldfastError {
  constructor(run: string, said: string) {
    const text = said.trim().split('\n').slice(0, 3).join('; ')
    super('HOLDFAST_NETNS_FAILED', `the namespaces of ${run} could not be made: ${text}; see "npx holdfast doctor"`)
  }
}

/** Namespaces of a run. None has a name or a file: they live as long as the processes in them, which end with the coordinator. */
export interface Namespaces extends AsyncDisposable {
  /** What holds the namespace of the run's switch, whose ports lead to the nodes: see `Holders`. */
  readonly switchHolder: string
  /** What holds those of a node. */
  holderOf(node: string): string
  /** Replaces the hosts file of a node. */
  writeHosts(node: string, hosts: Readonly<Record<string, string>>): Promise<void>
  /** Runs commands of ip in the namespace of a node, or of the switch. */
  ip(node: string | undefined, commands: readonly string[]): Promise<void>
}

/**
 * One process for each namespace, and nothing else: first that of the switch, whose mounts the others have, too, then one for each node.
 * Each ends with what fd 3 leads to, which the coordinator holds open. Tells their pids as /proc has them, and ends its output when all
 * is linked.
 *
 * Arguments: folder of their files, path of ip, names of the nodes.
 */
const script = `
cd "$1"
ip=$2
shift 2
exec 4</proc/self/ns/net
[ ! -e /etc/resolv.conf ] || mount --bind resolv.conf /etc/resolv.conf
[ ! -e /etc/nsswitch.conf ] || mount --bind nsswitch.conf /etc/nsswitch.conf
[ ! -d /run/nscd ] || mount -t tmpfs none /run/nscd
"$ip" -batch switch
read -r pid rest </proc/self/stat
echo "$pid"
node='
  set_if_there() { [ ! -w "$1" ] || echo "$2" 2>/dev/null >"$1" || true; }
  echo "$1" 2>/dev/null >/proc/sys/kernel/hostname || hostname "$1"
  mount --bind "$1.hosts" /etc/hosts
  # What a cut holds back is sent again within a second of its end, where the system has this.
  set_if_there /proc/sys/net/ipv4/tcp_rto_max_ms 1000
  # Nothing is on a network that no program says.
  set_if_there /proc/sys/net/ipv6/conf/default/disable_ipv6 1
  "$0" -batch "$1.links"
  read -r pid rest </proc/self/stat
  echo "$pid $1"
  exec cat <&3 >/dev/null 2>&1'
{
  for name; do unshare --net --mount --uts -- sh -euc "$node" "$ip" "$name" & done
} | {
  while read -r line; do echo "$line"; done
  "$ip" -batch ports
}
exec cat <&3 >/dev/null 2>&1
`

const WITHIN_MS = 20_000

/** @throws NamespacesFailed after which no process of it is left */
export async function makeNamespaces(
  machine: Machine,
  {
    run,
    folder,
    networks,
    links,
    withinMs = WITHIN_MS,
  }: { run: string; folder: string; networks: readonly Network[]; links: readonly Link[]; withinMs?: number },
): Promise<Namespaces> {
  const nodes = [...new Set(links.map(({ node }) => node))]
  const own = join(folder, 'netns')
  await writeFiles(own, nodes, { networks, links })
  const [program = '', ...argv] = [...unsharing(machine, '--net', '--mount'), 'sh', '-euc', script, 'sh']
  const env = { PATH: machine.path, HOLDFAST_RUN: run }
  const child = spawn(program, [...argv, own, machine.ip, ...nodes], {
    ...{ detached: true, env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const [, output, errors, life] = child.stdio as unknown as [null, Readable, Readable, Socket]
  life.on('error', () => {})
  const ended = new Promise<Error | undefined>((resolve) => {
    child.once('error', resolve)
    child.once('exit', () => resolve(undefined))
  })
  await using taken = new AsyncDisposableStack()
  taken.defer(async () => {
    life.destroy()
    await ended
  })
  const { said, failed, isLate } = await heard([output, errors], { run, withinMs })
  const pids = new Map(said.split('\n').map((line) => [line.slice(line.indexOf(' ') + 1), Number.parseInt(line, 10)]))
  if (failed !== '' || isLate || !nodes.every((node) => pids.has(node))) {
    // One that failed leaves others that wait for it.
    await killProcessesOf({ run })
    const late = isLate ? `nothing more within ${withinMs / 1000} s` : ''
    throw new NamespacesFailed(run, [late, failed].filter(Boolean).join('\n') || ((await ended)?.message ?? 'it ended'))
  }
  const holders = taken.use(
    new Holders(run, [['', Number.parseInt(said, 10)], ...nodes.map((node) => [node, pids.get(node)!] as const)]),
  )
  const held = taken.move()
  return {
    switchHolder: holders.at(''),
    holderOf: (node) => holders.at(node),
    writeHosts: (node, hosts) => replaceInPlace(join(own, `${node}.hosts`), hostsFileText(hosts)),
    ip: (node = '', commands) => runIp(machine, holders.at(node), commands),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** What processes of a run say until the last of them has no more to say. Those that go on for longer are ended. */
async function heard(
  streams: readonly [output: Readable, errors: Readable],
  { run, withinMs }: { run: string; withinMs: number },
): Promise<{ said: string; failed: string; isLate: boolean }> {
  let isLate = false
  const late = setTimeout(() => {
    isLate = true
    // Who does not even end then has no more to say.
    killProcessesOf({ run }).catch(() => streams.forEach((stream) => void stream.destroy()))
  }, withinMs)
  const [said = '', failed = ''] = await Promise.all(streams.map((stream) => text(stream).catch(() => '')))
  clearTimeout(late)
  return { said, failed, isLate }
}

/** What the script reads: what stands in the place of the machine's own files, and commands for ip. */
async function writeFiles(
  folder: string,
  nodes: readonly string[],
  { networks, links }: { networks: readonly Network[]; links: readonly Link[] },
): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  const write = async (name: string, lines: readonly string[]) => {
    const path = join(folder, name)
    await writeFile(path, lines.map((line) => `${line}\n`).join(''))
    // Read by users of units, too, who come to it by the mount alone.
    await chmod(path, 0o644)
  }
  const switchLines = networks.flatMap(({ bridge, range, strangers }) => [
    `link add ${bridge} type bridge`,
    `link set ${bridge} up`,
    `route add ${range} dev ${bridge}`,
    // All of them are its own, without being given one by one.
    `route add local ${strangers} dev ${bridge}`,
  ])
  const linksOf = (node: string) =>
    links
      .filter((link) => link.node === node)
      .flatMap(({ name, port, address, hardware }) => [
        `link add ${name} address ${hardware} type veth peer name ${port} netns /proc/self/fd/4`,
        `addr add ${address}/16 dev ${name}`,
        `link set ${name} up`,
      ])
  await Promise.all([
    write('resolv.conf', ['# Nothing is looked up outside of the run.']),
    write('nsswitch.conf', await lookingUpInFiles()),
    write('switch', switchLines),
    write(
      'ports',
      links.map(({ port, network }) => `link set ${port} master ${network.bridge} up`),
    ),
    ...nodes.map((node) => write(`${node}.hosts`, [hostsFileText({})])),
    ...nodes.map((node) => write(`${node}.links`, ['link set lo up', ...linksOf(node)])),
  ])
}

/** The machine's own order of look-ups, but for hosts. */
async function lookingUpInFiles(): Promise<string[]> {
  const own = await readFile('/etc/nsswitch.conf', 'utf8').catch(() => '')
  return [...own.split('\n').filter((line) => !/^\s*hosts:/.test(line)), 'hosts: files']
}

/** What /etc/hosts holds on a node. */
function hostsFileText(hosts: Readonly<Record<string, string>>): string {
  return `127.0.0.1 localhost\n::1 localhost\n${hostsText(hosts)}`
}

/**
 * Writes a file anew that is mounted elsewhere, and so must stay the same file: in one write, and cut only then, so that nobody reads it
 * without what stands in both.
 */
async function replaceInPlace(path: string, text: string): Promise<void> {
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  await file.write(text.padEnd(size, '\n'), 0)
  await file.truncate(Buffer.byteLength(text))
}

async function runIp(machine: Machine, holder: string, commands: readonly string[]): Promise<void> {
  const [program = '', ...argv] = entering(machine, holder, '--net')
  const child = spawn(program, [...argv, machine.ip, '-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
  child.stdin.on('error', () => {})
  child.stdin.end(commands.map((command) => `${command}\n`).join(''))
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  if (code === 0) return
  throw new HoldfastError('HOLDFAST_NETNS_FAILED', `ip failed in a namespace of the run: ${said.trim()}`)
}
