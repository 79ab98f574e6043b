import { homedir, tmpdir, userInfo } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { HoldfastError } from './errors.ts'
import { TOOL_NAMES, TOOLS, type ToolName } from './toolchain/tools.ts'

/** One environment variable that Holdfast reads. `docs/reference` is generated from these. */
export interface SettingVariable {
  readonly variable: string
  readonly default: string
  readonly meaning: string
}

/** Every environment variable that the harness reads. Nothing else in it reads the environment. */
export const SETTING_VARIABLES: readonly SettingVariable[] = [
  {
    variable: 'HOLDFAST_CACHE_DIR',
    default: '$XDG_CACHE_HOME/holdfast, or ~/.cache/holdfast',
    meaning: 'What may be deleted at any time: built programs, compiled modules.',
  },
  {
    variable: 'HOLDFAST_RUNTIME_DIR',
    default: '$XDG_RUNTIME_DIR/holdfast-<uid>, or holdfast-<uid> in the folder for temporary files',
    meaning: 'Folders of running sites. Holds private keys of running nodes, so it is made with mode 0700.',
  },
  {
    variable: 'HOLDFAST_BACKEND',
    default: 'process',
    meaning: 'The backend that runs a topology when the command line names none.',
  },
  ...TOOL_NAMES.map((name) => ({
    variable: TOOLS[name].variable,
    default: 'not set: PATH, then the cache',
    meaning: `Path of ${name} (${TOOLS[name].summary}), used whatever its version.`,
  })),
  { variable: 'HOLDFAST_GO', default: 'go on PATH', meaning: 'Path of the Go that builds missing programs.' },
  {
    variable: 'HOLDFAST_SET',
    default: 'not set: the topology’s own defaults',
    meaning: 'Parameters for every topology that scenarios launch, as one JSON object: `{"nodes":"4"}`.',
  },
  {
    variable: 'HOLDFAST_KEEP',
    default: 'not set',
    meaning: 'Any text: the site of a scenario that failed is held until it is ended. Set by `holdfast test --keep`.',
  },
  {
    variable: 'HOLDFAST_SABOTAGE',
    default: 'not set',
    meaning:
      'A guard as `service/guard`: scenarios run against services without it. Set by `holdfast sabotage`; scenarios must fail.',
  },
  {
    variable: 'HOLDFAST_FULL',
    default: 'not set',
    meaning: 'Any text: every cell of a matrix is tried, not one of each class.',
  },
  {
    variable: 'HOLDFAST_SHARE_SITES',
    default: 'not set: each scenario file has a site of its own',
    meaning:
      'Any text: scenario files of one worker have the site of one topology one after the other, unless they say `own: true`. Takes workers that go on from file to file (`isolate: false`).',
  },
  {
    variable: 'HOLDFAST_AT',
    default: 'not set: now',
    meaning: 'Seconds from now at which all clocks of a launched site begin. Set by `holdfast test --at`.',
  },
  {
    variable: 'HOLDFAST_LIBFAKETIME',
    default: 'where Debian, Fedora and Arch put it',
    meaning: 'Path of libfaketimeMT.so.1, which moves the clocks of programs on libc.',
  },
  {
    variable: 'HOLDFAST_SEATS',
    default: 'not set: from this process, which has the addresses of the nodes',
    meaning:
      '`agent`: tests call and listen through the agents of the nodes, as on backends whose addresses this machine does not have.',
  },
  { variable: 'HOLDFAST_DEBUG', default: 'not set', meaning: 'Any text prints stack traces of failures.' },
  { variable: 'PATH', default: 'empty', meaning: 'Where programs are looked for.' },
  { variable: 'NO_COLOR', default: 'not set', meaning: 'Any text turns colours off, on a terminal too.' },
  { variable: 'CI', default: 'not set', meaning: 'Any text but `false` and `0`: progress is printed line by line.' },
]

/** A set of environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface Settings {
  /** Absolute. Not made yet. */
  readonly cacheDir: string
  /** Absolute. Not made yet; whoever makes it uses mode 0700. */
  readonly runtimeDir: string
  readonly backend: string
  /** Explicit paths only, absolute; absent when not set. */
  readonly tools: Readonly<Partial<Record<ToolName, string>>>
  /** Explicit path of Go, absolute; absent when not set. */
  readonly go?: string
  /** Folders of PATH, in order, absolute. */
  readonly path: readonly string[]
  readonly debug: boolean
  /** Parameters for every topology that scenarios launch. */
  readonly parameters: Readonly<Record<string, string>>
  readonly keep: boolean
  /** Scenario files of one worker have sites one after the other. */
  readonly shareSites: boolean
  /** Every cell of a matrix, instead of one of each class. */
  readonly full: boolean
  /** The guard that is taken out of its service, as `service/guard`. */
  readonly sabotage?: `${string}/${string}`
  /** Seconds from now at which the clocks of sites begin. */
  readonly at: number
  /** Explicit path, absolute; absent when not set. */
  readonly libfaketime?: string
  /** From where tests call and listen, where a backend leaves the choice. */
  readonly seats: 'local' | 'agent'
  readonly noColor: boolean
  readonly ci: boolean
}

/** Reads the settings. Cheap, so nobody needs to keep them; `environment` is for tests. */
export function settings(environment: Environment = process.env): Settings {
  const variable = (name: string) => environment[name] || undefined
  const path = (name: string) => (variable(name) === undefined ? undefined : resolve(variable(name)!))
  return {
    cacheDir: path('HOLDFAST_CACHE_DIR') ?? join(path('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'holdfast'),
    runtimeDir: path('HOLDFAST_RUNTIME_DIR') ?? join(path('XDG_RUNTIME_DIR') ?? tmpdir(), `holdfast-${userInfo().uid}`),
    backend: variable('HOLDFAST_BACKEND') ?? 'process',
    tools: Object.fromEntries(
      TOOL_NAMES.flatMap((name) => {
        const explicit = path(TOOLS[name].variable)
        return explicit === undefined ? [] : [[name, explicit]]
      }),
    ),
    go: path('HOLDFAST_GO'),
    path: (variable('PATH') ?? '')
      .split(delimiter)
      .filter(Boolean)
      .map((folder) => resolve(folder)),
    debug: variable('HOLDFAST_DEBUG') !== undefined,
    parameters: JSON.parse(variable('HOLDFAST_SET') ?? '{}') as Record<string, string>,
    keep: variable('HOLDFAST_KEEP') !== undefined,
    sabotage: guardOf(variable('HOLDFAST_SABOTAGE')),
    shareSites: variable('HOLDFAST_SHARE_SITES') !== undefined,
    full: variable('HOLDFAST_FULL') !== undefined,
    at: Number(variable('HOLDFAST_AT') ?? 0),
    libfaketime: path('HOLDFAST_LIBFAKETIME'),
    seats: variable('HOLDFAST_SEATS') === 'agent' ? 'agent' : 'local',
    noColor: variable('NO_COLOR') !== undefined,
    ci: !['', '0', 'false'].includes(environment.CI ?? ''),
  }
}

function guardOf(text: string | undefined): Settings['sabotage'] {
  if (text === undefined) return undefined
  if (!/^[a-z-]+\/[a-z.-]+$/.test(text)) throw new MalformedGuard(text)
  return text as Settings['sabotage']
}

class MalformedGuard extends HoldfastError {
  constructor(text: string) {
    super('HOLDFAST_SABOTAGE_MALFORMED', `HOLDFAST_SABOTAGE is "${text}"; write service/guard, or unset it`)
  }
}

/**
 * What a program of a node inherits: enough to find programs and a home, and nothing that changes how it behaves
 * (no NODE_OPTIONS, no proxies, no tokens of the user's shell).
 */
export function programEnvironment(
  extra: Readonly<Record<string, string>> = {},
  environment: Environment = process.env,
): Record<string, string> {
  const inherited: Record<string, string> = {}
  for (const name of [
    'PATH',
    'HOME',
    'USER',
    'LOGNAME',
    'SHELL',
    'TMPDIR',
    'LANG',
    'LC_ALL',
    'TZ',
    'NODE_COMPILE_CACHE',
  ]) {
    const value = environment[name]
    if (value !== undefined) inherited[name] = value
  }
  return { ...inherited, ...extra }
}

/** All of the user's environment, for tools that act in the user's name (go, npm, nix): they need its proxies and folders. */
export function userEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string | undefined> {
  const { LD_PRELOAD, ...environment } = process.env
  // Moving our own clock must not move those of the user's tools.
  return { ...environment, ...(ownClock() === undefined ? { LD_PRELOAD } : {}), ...extra }
}

/** The offset of this process's own clock as libfaketime reads it; undefined where the process was started without it. */
export function ownClock(environment: Environment = process.env): string | undefined {
  return environment.LD_PRELOAD?.includes('libfaketime') ? environment.FAKETIME : undefined
}

/** Sets it for this process; programs that it starts from now on inherit it only where they inherit everything. */
export function setOwnClock(offset: string): void {
  process.env.FAKETIME = offset
}
