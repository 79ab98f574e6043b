import { existsSync } from 'node:fs'
import { settings as readSettings, type Settings } from '../settings.ts'
import { administratorFolders } from './administrators.ts'
import { ask, findAll, findGo } from './installed.ts'
import { clockMissing, findLibfaketime } from './libfaketime.ts'
import { findNssWrapper, namesMissing } from './nss-wrapper.ts'
import { type ResolvedTool, resolveTool, ToolMissing, ToolUnusable, thirdWay } from './resolve.ts'
import { oldestVersion, requiredGo } from './source.ts'
import { isBuilt, TOOL_NAMES, TOOLS, type ToolName } from './tools.ts'
import { isAcceptable, minorRelease } from './version.ts'

/** What this machine has of one program. */
export interface Surveyed {
  readonly program: string
  /** One line: what it is for. */
  readonly purpose: string
  /** Without it, no topology starts. */
  readonly needed: boolean
  /** `to-build`: not here, but built when a topology first needs it. */
  readonly state: 'ok' | 'to-build' | 'unacceptable' | 'missing'
  /** The oldest acceptable version, where there is one. */
  readonly wanted?: string
  readonly path?: string
  readonly version?: string
  readonly source?: ResolvedTool['source']
  /** What is wrong, where the state does not say it. */
  readonly problem?: string
  /** What to type or do about it; absent when nothing needs to be done. */
  readonly advice?: string
}

/** The programs of every topology that peers; the rest is built when a topology asks for it. */
const neededTools: readonly ToolName[] = ['step-ca', 'step']

interface Helper {
  readonly program: string
  readonly purpose: string
  /** Default: as the program is called. */
  readonly executable?: string
  /** How it is asked for its version. Default: `--version`. */
  readonly args?: readonly string[]
  readonly pattern: RegExp
  readonly wanted?: string
  readonly advice: string
}

const helpers: readonly Helper[] = [
  {
    program: 'nix',
    purpose: 'reads topologies that are written in Nix',
    pattern: /(\d+\.\d+\.\d+)/,
    wanted: '2.8',
    advice:
      'Debian: apt-get install nix-bin; elsewhere: https://nixos.org/download. JSON and TypeScript topologies need none.',
  },
  {
    program: 'docker',
    purpose: 'runs images of yours',
    args: ['version', '--format', '{{.Server.Version}}'],
    pattern: /^(\d+\.\d+\.\d+)/m,
    advice: 'start a Docker engine: https://docs.docker.com/engine/install. What is started by `run` needs none.',
  },
  {
    program: 'qemu',
    purpose: 'runs nodes in virtual machines',
    executable: process.arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64',
    pattern: /version (\d+\.\d+\.\d+)/,
    advice: 'Debian: apt-get install qemu-system. The backend `process` needs none.',
  },
  {
    program: 'git',
    purpose: 'fetches the repository, and flakes for nix',
    pattern: /(\d+\.\d+\.\d+)/,
    advice: 'Debian: apt-get install git',
  },
  {
    program: 'openssl',
    purpose: 'shows certificates when you look for yourself',
    args: ['version'],
    pattern: /SSL (\d+\.\d+\.\d+)/,
    advice: 'Debian: apt-get install openssl',
  },
]

const gatewayPurpose = 'a gateway of others that scenarios are held against'
const proxyPurpose = 'a proxy in front of a program of yours'
const gateways: readonly Helper[] = [
  {
    program: 'haproxy',
    purpose: `${proxyPurpose}, and ${gatewayPurpose}`,
    args: ['-v'],
    pattern: /version (\d+\.\d+\.\d+)/,
    wanted: '2.5',
    advice: 'Debian: apt-get install haproxy',
  },
  {
    program: 'apache2',
    purpose: gatewayPurpose,
    args: ['-v'],
    pattern: /Apache\/(\d+\.\d+\.\d+)/,
    wanted: '2.4',
    advice: 'Debian: apt-get install apache2-bin',
  },
  {
    program: 'nginx',
    purpose: `${proxyPurpose}, and ${gatewayPurpose}`,
    args: ['-v'],
    pattern: /nginx\/(\d+\.\d+\.\d+)/,
    wanted: '1.18',
    advice: 'Debian: apt-get install nginx-light',
  },
]

/** Modules of them: the file of each where Debian puts it. */
const modules = [
  {
    program: 'mod_oauth2',
    purpose: 'has apache2 judge bound tokens',
    file: '/usr/lib/apache2/modules/mod_oauth2.so',
    advice: 'Debian: apt-get install libapache2-mod-oauth2',
  },
  {
    program: 'nginx-njs',
    purpose: 'has nginx judge bound tokens',
    file: '/usr/lib/nginx/modules/ngx_http_js_module.so',
    advice: 'Debian: apt-get install libnginx-mod-http-js',
  },
]

/** Looks for every program that Holdfast can use. Reads cached programs whole, so it is slower than resolving them. */
export async function survey(settings: Settings = readSettings()): Promise<Surveyed[]> {
  const go = await surveyGo(settings)
  const [tools, found, beside] = await Promise.all([
    Promise.all(TOOL_NAMES.map((name) => surveyTool(name, settings, go.state === 'ok'))),
    Promise.all(helpers.map((helper) => surveyHelper(helper, settings.path))),
    surveyGateways(settings),
  ])
  const toolsAreThere = tools.every(({ state, program }) => state === 'ok' || !isBuilt(program as ToolName))
  const names = {
    program: 'libnss_wrapper',
    purpose: 'lets programs on libc find the hosts of a run',
    needed: false,
  } as const
  const clocks = { program: 'libfaketime', purpose: 'moves the clocks of nodes', needed: false } as const
  return [
    surveyNode(),
    ...tools,
    toolsAreThere ? { ...go, advice: undefined } : go,
    surveyFile(clocks, findLibfaketime(settings), clockMissing(settings)),
    surveyFile(names, findNssWrapper(settings), namesMissing(settings)),
    ...found,
    ...beside,
  ]
}

/** Programs that scenarios need besides those that they run: Holdfast can use them, and does not build them. */
export type HelperName = 'docker' | 'haproxy' | 'apache2' | 'mod_oauth2' | 'nginx' | 'nginx-njs'

/** What of these programs this machine lacks, and what to type; undefined when it has them all. */
export async function lackingPrograms(
  names: readonly HelperName[],
  settings: Settings = readSettings(),
): Promise<string | undefined> {
  const isWanted = ({ program }: { program: string }) => names.includes(program as HelperName)
  const engines = helpers.filter(isWanted).map((helper) => surveyHelper(helper, settings.path))
  const wanted = [...(await Promise.all(engines)), ...(await surveyGateways(settings)).filter(isWanted)]
  const lacking = wanted.filter(({ state }) => state !== 'ok')
  if (lacking.length === 0) return undefined
  const whyNot = (state: Surveyed['state']) => (state === 'missing' ? 'not installed' : 'not usable')
  return lacking.map(({ program, state, advice }) => `${program} is ${whyNot(state)}: ${advice}`).join('; ')
}

async function surveyGateways({ path }: Settings): Promise<Surveyed[]> {
  const found = await Promise.all(gateways.map((helper) => surveyHelper(helper, [...path, ...administratorFolders])))
  const beside = modules.map(({ file, advice, ...module }) =>
    surveyFile({ ...module, needed: false }, existsSync(file) ? file : undefined, advice),
  )
  return [...found, ...beside]
}

type Sought = Pick<Surveyed, 'program' | 'purpose' | 'needed' | 'wanted'>

function surveyFile(sought: Sought, path: string | undefined, advice: string | undefined): Surveyed {
  return path === undefined ? { ...sought, state: 'missing', advice } : { ...sought, state: 'ok', path }
}

function surveyNode(): Surveyed {
  const sought = { program: 'node', purpose: 'runs Holdfast and its nodes', needed: true, wanted: '24.0' }
  const found = { ...sought, path: process.execPath, version: process.versions.node }
  if (isAcceptable(found.version, sought.wanted)) return { ...found, state: 'ok' }
  const advice = 'install Node.js 24, or type: npm install --save-dev node@24 vitest@5'
  return { ...found, state: 'unacceptable', advice }
}

async function surveyGo(settings: Settings): Promise<Surveyed> {
  const go = {
    program: 'go',
    purpose: 'builds the programs above where they are missing',
    args: ['version'],
    pattern: /go(\d+\.\d+(?:\.\d+)?)/,
    wanted: minorRelease(requiredGo()),
    advice: 'install Go (https://go.dev/doc/install), or bring the programs above yourself',
  }
  const { problem, ...found } = await surveyProgram(go, await findGo(settings))
  return found
}

async function surveyTool(name: ToolName, settings: Settings, canBuild: boolean): Promise<Surveyed> {
  const { summary: purpose, variable, nixPackage } = TOOLS[name]
  const wanted = minorRelease(oldestVersion(name))
  const sought = { program: name, purpose, needed: neededTools.includes(name), wanted }
  try {
    const { path, version, source } = await resolveTool(name, { settings, verify: true })
    const found = { ...sought, path, version, source, state: 'ok' } as const
    if (isAcceptable(version, wanted)) return found
    return { ...found, problem: `older than ${wanted}, and used because ${variable} says so` }
  } catch (failure) {
    if (failure instanceof ToolUnusable) return { ...sought, state: 'unacceptable', problem: failure.message }
    if (!(failure instanceof ToolMissing)) throw failure
    const [rejected] = failure.rejected
    if (!isBuilt(name)) {
      const advice = `${thirdWay(name)}; or nix shell nixpkgs#${nixPackage}, or set ${variable}`
      return { ...sought, ...rejected, state: rejected === undefined ? 'missing' : 'unacceptable', advice }
    }
    const build = 'npx holdfast doctor --install'
    return {
      ...sought,
      ...rejected,
      state: canBuild ? 'to-build' : rejected === undefined ? 'missing' : 'unacceptable',
      advice: canBuild
        ? `built when first needed. To do it now: ${build}`
        : `install Go, then ${build}; or nix shell nixpkgs#${nixPackage}, or set ${variable}`,
    }
  }
}

async function surveyHelper(helper: Helper, folders: readonly string[]): Promise<Surveyed> {
  const [path] = await findAll(helper.executable ?? helper.program, folders)
  return surveyProgram(helper, path)
}

async function surveyProgram(
  { program, purpose, args = ['--version'], pattern, wanted, advice }: Helper,
  path: string | undefined,
): Promise<Surveyed> {
  const sought = { program, purpose, needed: false, wanted }
  if (path === undefined) return { ...sought, state: 'missing', advice }
  const { stdout, stderr } = await ask(path, args)
  // nginx tells its version where others complain.
  const version = pattern.exec(`${stdout}\n${stderr}`)?.[1]
  if (version === undefined) {
    const problem = stderr.trim().split('\n').at(-1)?.trim() || 'it does not answer'
    return { ...sought, path, state: 'unacceptable', problem, advice }
  }
  if (wanted === undefined || isAcceptable(version, wanted)) return { ...sought, path, version, state: 'ok' }
  return { ...sought, path, version, state: 'unacceptable', advice }
}
