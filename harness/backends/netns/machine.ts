import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { settings } from '../../settings.ts'
import { administratorFolders } from '../../toolchain/administrators.ts'

/** What of this machine makes namespaces. */
export interface Machine {
  /** Whether that takes a user namespace, in which this user is its root. */
  readonly rootless: boolean
  /** Paths of its programs. */
  readonly unshare: string
  readonly nsenter: string
  readonly ip: string
  /** Absent where it is missing: then nothing between nodes is late or lost. */
  readonly perl: string | undefined
  /** PATH, with the folders of programs for administrators, which users often have not. */
  readonly path: string
}

const packages = { unshare: 'util-linux', nsenter: 'util-linux', ip: 'iproute2' } as const
type ProgramName = keyof typeof packages

/** All that a run needs, once: a bridge, a link, a mount. */
const trial = `
  "$0" link add bridge0 type bridge
  "$0" link add port0 type veth peer name eth0
  "$0" link set port0 master bridge0
  mount --bind /etc/hosts /etc/hosts`

let tried: Machine | string | undefined

/** What makes namespaces here, or, as a text, why nothing does and what to type. Tried once, for real. */
export function machine(): Machine | string {
  tried ??= tryMachine()
  return tried
}

/** The same anew. `folders`: where its programs are looked for. */
export function tryMachine(
  folders: readonly string[] = [...new Set([...settings().path, ...administratorFolders])],
): Machine | string {
  if (process.platform !== 'linux') return 'it takes network namespaces, which only Linux has; use the backend process'
  const find = (name: string) => folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  const programs = { unshare: find('unshare') ?? '', nsenter: find('nsenter') ?? '', ip: find('ip') ?? '' }
  const lacking = (Object.keys(packages) as ProgramName[]).filter((name) => programs[name] === '')
  if (lacking.length > 0) {
    const install = [...new Set(lacking.map((name) => packages[name]))].join(' ')
    return `${lacking.join(', ')} missing; Debian: apt-get install ${install}`
  }
  const parts = { ...programs, perl: find('perl'), path: folders.join(delimiter) }
  const whys: string[] = []
  for (const rootless of process.getuid?.() === 0 ? [false, true] : [true]) {
    const candidate = { ...parts, rootless }
    const why = whyNot(candidate)
    if (why === undefined) return candidate
    whys.push(why)
  }
  return whys[0]!
}

/** Program and arguments that start a program in namespaces of its own; those of its user, too, where that is what makes it a root. */
export function unsharing({ unshare, rootless }: Machine, ...kinds: readonly string[]): string[] {
  return [unshare, ...(rootless ? ['--user', '--map-root-user'] : []), ...kinds, '--']
}

const fileOf = { '--user': 'user', '--net': 'net', '--mount': 'mnt', '--uts': 'uts' } as const
export type NamespaceKind = keyof typeof fileOf

/** Program and arguments that enter the namespaces of a process, as the root of them. `holder`: its folder in /proc. */
export function entering({ nsenter, rootless }: Machine, holder: string, ...kinds: readonly NamespaceKind[]): string[] {
  const entered: readonly NamespaceKind[] = rootless ? ['--user', ...kinds] : kinds
  const files = entered.map((kind) => `${kind}=${holder}/ns/${fileOf[kind]}`)
  return [nsenter, ...(rootless ? ['--preserve-credentials'] : []), ...files, '--']
}

/** The same, and then as who this process is, so that programs are no root because they are in a namespace. */
export function enteringAsUser(machine: Machine, holder: string, ...kinds: readonly NamespaceKind[]): string[] {
  return [...entering(machine, holder, ...kinds), ...(machine.rootless ? backToUser(machine) : [])]
}

function backToUser({ unshare }: Machine): string[] {
  return [unshare, '--user', `--map-user=${process.getuid?.()}`, `--map-group=${process.getgid?.()}`, '--']
}

function whyNot(machine: Machine): string | undefined {
  const [program = '', ...argv] = unsharing(machine, '--net', '--mount', '--uts')
  const env = { PATH: machine.path }
  const run = (...command: string[]) =>
    spawnSync(program, [...argv, ...command], { encoding: 'utf8', env, timeout: 10_000 })
  const made = run('true')
  if (made.status !== 0) return whyNoNamespace(machine, firstLine(made))
  const linked = run('sh', '-euc', trial, machine.ip)
  if (linked.status !== 0)
    return `no bridge, link or mount in a namespace of this machine (${firstLine(linked)}); load the modules: modprobe bridge veth`
  const returned = machine.rootless ? run(...backToUser(machine), 'true') : linked
  if (returned.status === 0) return undefined
  return `${machine.unshare} leads nobody back to who he is (${firstLine(returned)}); install util-linux 2.34 or newer, or run it as root`
}

function firstLine({ stderr, error }: { stderr: string; error?: Error }): string {
  return error?.message ?? stderr.trim().split('\n')[0] ?? ''
}

/** What keeps users from having namespaces, and what to type where that is a setting. */
const locks: readonly [setting: string, locked: string, open: string][] = [
  ['user.max_user_namespaces', '0', '15000'],
  ['kernel.unprivileged_userns_clone', '0', '1'],
  ['kernel.apparmor_restrict_unprivileged_userns', '1', '0'],
]

function whyNoNamespace({ rootless }: Machine, said: string): string {
  if (!rootless)
    return `this root may not make namespaces (${said}); run it with the capability SYS_ADMIN (docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined)`
  const lock = locks.find(([setting, locked]) => settingOf(setting) === locked)
  if (lock === undefined) return `users may not make namespaces here (${said}); run it as root`
  const [setting, , open] = lock
  return `users may not make namespaces here (${said}); as root: sysctl -w ${setting}=${open}, or run it as root`
}

function settingOf(setting: string): string | undefined {
  const file = join('/proc/sys', setting.replaceAll('.', '/'))
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
}
