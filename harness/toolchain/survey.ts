import { existsSync } from 'node:fs'
import { settings as readSettings, type Settings } from '../settings.ts'
import { findGo } from './installed.ts'
import { clockMissing, findLibfaketime } from './libfaketime.ts'
import { type ResolvedTool, resolveTool, ToolMissing, ToolUnusable } from './resolve.ts'
import { ask } from './run.ts'
import { pinnedVersion, readSource, requiredGo, type Source } from './source.ts'
import { findAll } from './stamped-file.ts'
import { TOOL_NAMES, TOOLS, type ToolName } from './tools.ts'
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
  readonly executable: string
  readonly args: readonly string[]
  readonly pattern: RegExp
  readonly wanted?: string
  readonly advice: string
  /** Folders beside those of PATH in which it may lie. */
  readonly alsoIn?: readonly string[]
}

/** Where Debian keeps what administrators start: not on everybody's PATH. */
const systemFolders = ['/usr/sbin', '/usr/local/sbin']

const helpers: readonly Helper[] = [
  {
    program: 'nix',
    purpose: 'reads topologies that are written in Nix',
    executable: 'nix',
    args: ['--version'],
    pattern: /(\d+\.\d+\.\d+)/,
    wanted: '2.8',
    advice:
      'Debian: apt-get install nix-bin; elsewhere: https://nixos.org/download. JSON and TypeScript topologies need none.',
  },
  {
    program: 'docker',
    purpose: 'runs nodes in containers',
    executable: 'docker',
    args: ['version', '--format', '{{.Server.Version}}'],
    pattern: /^(\d+\.\d+\.\d+)/m,
    advice: 'start a Docker engine: https://docs.docker.com/engine/install. The backend `process` needs none.',
  },
  {
    program: 'qemu',
    purpose: 'runs nodes in virtual machines',
    executable: process.arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64',
    args: ['--version'],
    pattern: /version (\d+\.\d+\.\d+)/,
    advice: 'Debian: apt-get install qemu-system. The backend `process` needs none.',
  },
  {
    program: 'git',
    purpose: 'fetches the repository, and flakes for nix',
    executable: 'git',
    args: ['--version'],
    pattern: /(\d+\.\d+\.\d+)/,
    advice: 'Debian: apt-get install git',
  },
  {
    program: 'openssl',
    purpose: 'shows certificates when you look for yourself',
    executable: 'openssl',
    args: ['version'],
    pattern: /SSL (\d+\.\d+\.\d+)/,
    advice: 'Debian: apt-get install openssl',
  },
  {
    program: 'haproxy',
    purpose: 'a gateway of others that scenarios are held against',
    executable: 'haproxy',
    args: ['-v'],
    pattern: /version (\d+\.\d+\.\d+)/,
    wanted: '2.5',
    advice: 'Debian: apt-get install haproxy',
    alsoIn: systemFolders,
  },
  {
    program: 'apache2',
    purpose: 'a gateway of others that scenarios are held against',
    executable: 'apache2',
    args: ['-v'],
    pattern: /Apache\/(\d+\.\d+\.\d+)/,
    wanted: '2.4',
    advice: 'Debian: apt-get install apache2-bin',
    alsoIn: systemFolders,
  },
]

/** The file of Apache’s module, where Debian puts it. */
const modOauth2 = '/usr/lib/apache2/modules/mod_oauth2.so'

/** Looks for every program that Holdfast can use. Reads cached programs whole, so it is slower than resolving them. */
export async function survey(settings: Settings = readSettings()): Promise<Surveyed[]> {
  const source = await readSource()
  const go = await surveyGo(settings, source)
  const [tools, others] = await Promise.all([
    Promise.all(TOOL_NAMES.map((name) => surveyTool(name, settings, source, go.state === 'ok'))),
    Promise.all(helpers.map((helper) => surveyHelper(helper, settings))),
  ])
  const toolsAreThere = tools.every(({ state }) => state === 'ok')
  return [
    surveyNode(),
    ...tools,
    toolsAreThere ? { ...go, advice: undefined } : go,
    surveyLibfaketime(settings),
    ...others,
    surveyModOauth2(),
  ]
}

/** Programs that scenarios need besides those that they run: all that Holdfast can use, and builds not by itself. */
export type HelperName = 'haproxy' | 'apache2' | 'mod_oauth2'

/** What of these programs this machine lacks, and what to type; undefined when it has them all. */
export async function lackingPrograms(
  names: readonly HelperName[],
  settings: Settings = readSettings(),
): Promise<string | undefined> {
  const wanted = helpers.filter(({ program }) => names.includes(program as HelperName))
  const found = await Promise.all(wanted.map((helper) => surveyHelper(helper, settings)))
  const all = names.includes('mod_oauth2') ? [...found, surveyModOauth2()] : found
  const lacking = all.filter(({ state }) => state !== 'ok')
  if (lacking.length === 0) return undefined
  return lacking.map(({ program, state, advice }) => `${program} is ${whyNot[state]}: ${advice}`).join('; ')
}

const whyNot = { ok: 'here', 'to-build': 'to be built', missing: 'not installed', unacceptable: 'not usable' }

function surveyModOauth2(): Surveyed {
  const found = { program: 'mod_oauth2', purpose: 'has apache2 judge bound tokens', needed: false }
  if (existsSync(modOauth2)) return { ...found, state: 'ok', path: modOauth2 }
  return { ...found, state: 'missing', advice: 'Debian: apt-get install libapache2-mod-oauth2' }
}

function surveyLibfaketime(settings: Settings): Surveyed {
  const found = { program: 'libfaketime', purpose: 'moves the clocks of nodes', needed: false }
  const missing = clockMissing(settings)
  if (missing === undefined) return { ...found, state: 'ok', path: findLibfaketime(settings) }
  return { ...found, state: 'missing', advice: missing }
}

function surveyNode(): Surveyed {
  const version = process.versions.node
  const found = {
    program: 'node',
    purpose: 'runs Holdfast and its nodes',
    needed: true,
    wanted: '24.0',
    path: process.execPath,
    version,
  }
  if (isAcceptable(version, '24.0.0')) return { ...found, state: 'ok' }
  return {
    ...found,
    state: 'unacceptable',
    advice: 'install Node.js 24, or type: npm install --save-dev node@24 vitest@5',
  }
}

async function surveyGo(settings: Settings, source: Source): Promise<Surveyed> {
  const wanted = requiredGo(source)
  const finding = {
    program: 'go',
    purpose: 'builds the programs above where they are missing',
    needed: false,
    wanted: minorRelease(wanted),
  }
  const advice = 'install Go (https://go.dev/doc/install), or bring the programs above yourself'
  const path = await findGo(settings)
  if (path === undefined) return { ...finding, state: 'missing', advice }
  const version = /go(\d+\.\d+(?:\.\d+)?)/.exec((await ask(path, ['version'])).stdout)?.[1]
  const state = version !== undefined && isAcceptable(version, wanted) ? 'ok' : 'unacceptable'
  return { ...finding, path, version, state, ...(state === 'ok' ? {} : { advice }) }
}

async function surveyTool(name: ToolName, settings: Settings, source: Source, canBuild: boolean): Promise<Surveyed> {
  const wanted = pinnedVersion(name, source)
  const finding = {
    program: name,
    purpose: TOOLS[name].summary,
    needed: neededTools.includes(name),
    wanted: minorRelease(wanted),
  }
  try {
    const tool = await resolveTool(name, { settings, source, verify: true })
    const found = { ...finding, path: tool.path, version: tool.version, source: tool.source, state: 'ok' } as const
    if (isAcceptable(tool.version, wanted)) return found
    return { ...found, problem: `older than ${finding.wanted}, and used because ${TOOLS[name].variable} says so` }
  } catch (failure) {
    if (failure instanceof ToolUnusable) return { ...finding, state: 'unacceptable', problem: failure.message }
    if (!(failure instanceof ToolMissing)) throw failure
    const [rejected] = failure.rejected
    const build = 'npx holdfast doctor --install'
    const bring = `nix shell nixpkgs#${TOOLS[name].nixPackage}, or set ${TOOLS[name].variable}`
    return {
      ...finding,
      ...rejected,
      state: canBuild ? 'to-build' : rejected === undefined ? 'missing' : 'unacceptable',
      advice: canBuild ? `built when first needed. To do it now: ${build}` : `install Go, then ${build}; or ${bring}`,
    }
  }
}

async function surveyHelper(helper: Helper, settings: Settings): Promise<Surveyed> {
  const { program, purpose, wanted, advice } = helper
  const finding = { program, purpose, needed: false, wanted }
  const [path] = await findAll(helper.executable, [...settings.path, ...(helper.alsoIn ?? [])])
  if (path === undefined) return { ...finding, state: 'missing', advice }
  const { stdout, stderr } = await ask(path, helper.args)
  const version = helper.pattern.exec(stdout)?.[1]
  if (version === undefined) {
    const problem = stderr.trim().split('\n').at(-1)?.trim() || 'it does not answer'
    return { ...finding, path, state: 'unacceptable', problem, advice }
  }
  const acceptable = wanted === undefined || isAcceptable(version, wanted)
  return { ...finding, path, version, state: acceptable ? 'ok' : 'unacceptable', ...(acceptable ? {} : { advice }) }
}
