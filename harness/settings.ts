import { homedir, tmpdir, userInfo } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { HoldfastError } from './errors.ts'
import { isBuilt, TOOL_NAMES, TOOLS, type ToolName } from './toolchain/tools.ts'

/** Where nodes run when nobody says otherwise. */
export const standardBackend = 'process'

/** Every environment variable that the harness reads, with its default and its meaning. Nothing else in it reads the environment. */
export const SETTING_VARIABLES: Readonly<Record<string, readonly [standard: string, meaning: string]>> = {
  HOLDFAST_CACHE_DIR: [
    '$XDG_CACHE_HOME/holdfast, or ~/.cache/holdfast',
    'What may be deleted at any time: built programs, compiled modules.',
  ],
  HOLDFAST_TOOLCHAIN: [
    'the folder `toolchain` in that of HOLDFAST_CACHE_DIR',
    'Folder of built programs, which whoever packages Holdfast may have built before. It is only written in when programs are missing.',
  ],
  HOLDFAST_RUNTIME_DIR: [
    '$XDG_RUNTIME_DIR/holdfast-<uid>, or holdfast-<uid> in the folder for temporary files',
    'Folders of running sites. Holds private keys of running nodes, so it is made with mode 0700.',
  ],
  HOLDFAST_BACKEND: [standardBackend, 'The backend that runs a topology when the command line names none.'],
  HOLDFAST_MACHINES: [
    'not set',
    'File that names the machines of the backend `machines`: where the agent of each node is served (`holdfast serve`), and with which key.',
  ],
  ...Object.fromEntries(
    TOOL_NAMES.map((name) => {
      const meaning = `Path of ${name} (${TOOLS[name].summary}), used whatever its version.`
      const standard = isBuilt(name) ? 'not set: PATH, then the cache' : 'not set: the package of npm, then PATH'
      return [TOOLS[name].variable, [standard, meaning]] as const
    }),
  ),
  HOLDFAST_GO: ['go on PATH', 'Path of the Go that builds missing programs.'],
  HOLDFAST_SET: [
    'not set: the topology’s own defaults',
    'Parameters for every topology that scenarios launch, as one JSON object: `{"nodes":"4"}`.',
  ],
  HOLDFAST_KEEP: [
    'not set',
    'Any text: the site of a scenario that failed is held until it is ended. Set by `holdfast test --keep`.',
  ],
  HOLDFAST_SABOTAGE: [
    'not set',
    'A guard as `service/guard`: scenarios run against services without it. Set by `holdfast sabotage`; scenarios must fail.',
  ],
  HOLDFAST_MUTANTS: [
    'not set',
    'Folder of the mutants of a service, with which the sites of scenarios start it. Set by `holdfast sabotage --subtle`.',
  ],
  HOLDFAST_FULL: ['not set', 'Any text: every cell of a matrix is tried, not one of each class.'],
  HOLDFAST_SHARE_SITES: [
    'not set: each scenario file has a site of its own',
    'Any text: scenario files of one worker have the site of one topology one after the other, unless they say `own: true`. Takes workers that go on from file to file (`isolate: false`).',
  ],
  HOLDFAST_AT: [
    'not set: now',
    'Seconds from now at which all clocks of a launched site begin. Set by `holdfast test --at`.',
  ],
  HOLDFAST_LIBFAKETIME: [
    'where Debian, Fedora and Arch put it',
    'Path of libfaketimeMT.so.1, which moves the clocks of programs on libc.',
  ],
  HOLDFAST_NSS_WRAPPER: [
    'where Debian, Fedora and Arch put it',
    'Path of libnss_wrapper.so, by which programs on libc find the hosts of a run.',
  ],
  HOLDFAST_QEMU: ['qemu-system-x86_64 on PATH', 'Path of the QEMU that runs nodes as machines.'],
  HOLDFAST_VM_KERNEL: [
    'the newest in /boot; on Debian a package of the distribution, fetched into the cache and never installed',
    'Path of the Linux that boots in machines (`vmlinuz-VERSION`).',
  ],
  HOLDFAST_VM_MODULES: ['/lib/modules/VERSION', 'Folder of the modules of that Linux.'],
  HOLDFAST_VM_ACCELERATOR: [
    'not set: `kvm` where a machine boots with it, `tcg` otherwise',
    '`kvm` or `tcg`: how machines run, untried.',
  ],
  HOLDFAST_VM_CAPTURE: [
    'not set',
    'Any text: what passes between machines is kept beside the evidence, a `.pcap` for each network. Whoever reads it reads all that is not encrypted, secrets too.',
  ],
  HOLDFAST_SEATS: [
    'not set: from this process, which has the addresses of the nodes',
    '`agent`: tests call and listen through the agents of the nodes, as on backends whose addresses this machine does not have.',
  ],
  HOLDFAST_SERVICES: [
    'not set: their sources',
    'Folder in which each reference node is one file, `SERVICE.js`. Set by `npm test`. Sites whose programs load something more, as with a guard taken out, run the sources all the same.',
  ],
  HOLDFAST_AGENT: [
    'not set: its sources',
    'The agent of nodes as one file. Set by `npm test`: to find and load its sources is a third of what its start costs.',
  ],
  HOLDFAST_END_FILE: [
    'not set',
    'A file that is there once the run is to end: tests that have not begun get no site any more. Set by `holdfast test`.',
  ],
  SSL_CERT_FILE: ['where OpenSSL looks', 'Bundle of the roots that this machine trusts, for `"ca": "system"`.'],
  SSL_CERT_DIR: ['where OpenSSL looks', 'Folder of the same, by their hashes.'],
  HOLDFAST_DEBUG: ['not set', 'Any text prints stack traces of failures.'],
  PATH: ['empty', 'Where programs are looked for.'],
  NO_COLOR: ['not set', 'Any text turns colours off, on a terminal too.'],
  GITHUB_WORKSPACE: [
    'the working folder',
    'Where paths in `--reporter sarif` and `github` begin: the top of the repository.',
  ],
  CI: ['not set', 'Any text but `false` and `0`: progress is printed line by line.'],
}

/** A set of environment variables, as in `process.env`. */
type Environment = Readonly<Record<string, string | undefined>>

export type Settings = ReturnType<typeof settings>

/** Reads the settings. Cheap, so nobody needs to keep them; `environment` is for tests. Paths are absolute, and not made yet. */
export function settings(environment: Environment = process.env) {
  const variable = (name: string) => environment[name] || undefined
  const isSet = (name: string) => variable(name) !== undefined
  const path = (name: string) => (isSet(name) ? resolve(variable(name)!) : undefined)
  const tools = TOOL_NAMES.map((name) => [name, path(TOOLS[name].variable)] as const).filter(([, found]) => found)
  const cacheDir = path('HOLDFAST_CACHE_DIR') ?? join(path('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'holdfast')
  return {
    cacheDir,
    /** What Node has compiled of the modules of its programs. */
    compileCache: join(cacheDir, 'compile'),
    /** Undefined: `toolchain` in `cacheDir`. */
    toolchainDir: path('HOLDFAST_TOOLCHAIN'),
    /** Whoever makes it uses mode 0700. */
    runtimeDir: path('HOLDFAST_RUNTIME_DIR') ?? join(path('XDG_RUNTIME_DIR') ?? tmpdir(), `holdfast-${userInfo().uid}`),
    backend: variable('HOLDFAST_BACKEND') ?? standardBackend,
    machines: path('HOLDFAST_MACHINES'),
    /** Explicit paths only. */
    tools: Object.fromEntries(tools) as Readonly<Partial<Record<ToolName, string>>>,
    go: path('HOLDFAST_GO'),
    /** Folders of PATH, in order. */
    path: (variable('PATH') ?? '')
      .split(delimiter)
      .filter(Boolean)
      .map((folder) => resolve(folder)),
    debug: isSet('HOLDFAST_DEBUG'),
    parameters: JSON.parse(variable('HOLDFAST_SET') ?? '{}') as Readonly<Record<string, string>>,
    keep: isSet('HOLDFAST_KEEP'),
    sabotage: guardOf(variable('HOLDFAST_SABOTAGE')),
    mutants: path('HOLDFAST_MUTANTS'),
    shareSites: isSet('HOLDFAST_SHARE_SITES'),
    full: isSet('HOLDFAST_FULL'),
    services: path('HOLDFAST_SERVICES'),
    agent: path('HOLDFAST_AGENT'),
    endFile: path('HOLDFAST_END_FILE'),
    at: Number(variable('HOLDFAST_AT') ?? 0),
    libfaketime: path('HOLDFAST_LIBFAKETIME'),
    nssWrapper: path('HOLDFAST_NSS_WRAPPER'),
    qemu: path('HOLDFAST_QEMU'),
    vmKernel: path('HOLDFAST_VM_KERNEL'),
    vmModules: path('HOLDFAST_VM_MODULES'),
    vmAccelerator: acceleratorOf(variable('HOLDFAST_VM_ACCELERATOR')),
    vmCapture: isSet('HOLDFAST_VM_CAPTURE'),
    seats: variable('HOLDFAST_SEATS') === 'agent' ? 'agent' : 'local',
    workspace: path('GITHUB_WORKSPACE') ?? process.cwd(),
    noColor: isSet('NO_COLOR'),
    ci: !['', '0', 'false'].includes(environment.CI ?? ''),
  } as const
}

function guardOf(text: string | undefined): `${string}/${string}` | undefined {
  if (text !== undefined && !/^[a-z-]+\/[a-z.-]+$/.test(text)) throw new MalformedGuard(text)
  return text as `${string}/${string}` | undefined
}

function acceleratorOf(text: string | undefined): 'kvm' | 'tcg' | undefined {
  if (text === undefined || text === 'kvm' || text === 'tcg') return text
  throw new HoldfastError(
    'HOLDFAST_VM_ACCELERATOR',
    `HOLDFAST_VM_ACCELERATOR is "${text}"; write kvm or tcg, or unset it`,
  )
}

class MalformedGuard extends HoldfastError {
  constructor(text: string) {
    super('HOLDFAST_SABOTAGE_MALFORMED', `HOLDFAST_SABOTAGE is "${text}"; write service/guard, or unset it`)
  }
}

const inherited = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'LANG', 'LC_ALL', 'TZ', 'NODE_COMPILE_CACHE']

/**
 * What a program of a node inherits: enough to find programs and a home, and nothing that changes how it behaves
 * (no NODE_OPTIONS, no proxies, no tokens of the user's shell).
 */
export function programEnvironment(
  extra: Readonly<Record<string, string>> = {},
  environment: Environment = process.env,
): Record<string, string> {
  const found = inherited.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]]))
  return { ...Object.fromEntries(found), ...extra }
}

/** Where an agent, and nothing that it starts, finds the roots that this machine trusts. */
export function trustEnvironment(environment: Environment = process.env): Record<string, string> {
  const found = ['SSL_CERT_FILE', 'SSL_CERT_DIR'].flatMap((name) =>
    environment[name] ? [[name, environment[name]]] : [],
  )
  return Object.fromEntries(found)
}

/** All of the user's environment, for tools that act in the user's name (go, npm, nix): they need its proxies and folders. */
export function userEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string | undefined> {
  const { LD_PRELOAD, ...environment } = process.env
  // Moving our own clock must not move those of the user's tools.
  return { ...environment, ...(ownClock() === undefined ? { LD_PRELOAD } : {}), ...extra }
}

/** The offset of this process's own clock as libfaketime reads it; undefined where the process was started without it. */
export function ownClock(): string | undefined {
  return process.env.LD_PRELOAD?.includes('libfaketime') ? process.env.FAKETIME : undefined
}

/** Sets it for this process; programs that it starts from now on inherit it only where they inherit everything. */
export function setOwnClock(offset: string): void {
  process.env.FAKETIME = offset
}
