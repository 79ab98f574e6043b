import type { Backend } from '../backends/backend.ts'
import { backends } from '../shipped.ts'
import { installTools } from '../toolchain/install.ts'
import { resolveTool } from '../toolchain/resolve.ts'
import { type Surveyed, survey } from '../toolchain/survey.ts'
import { BUILT_TOOL_NAMES } from '../toolchain/tools.ts'
import { exitCode } from './failure.ts'
import { interruptible } from './interruption.ts'
import { paint, plural, printJson, printPhase, printResult, printToolchain, seconds, table } from './output.ts'

interface DoctorOptions {
  install?: boolean
  overlay?: boolean
  json?: boolean
}

/** What this machine has, what is missing, and what to type. Fails only when something needed is missing. */
export async function doctor(options: DoctorOptions): Promise<void> {
  if (options.install) await install(options.overlay ?? false)
  const [programs, found] = await Promise.all([survey(), Promise.all(backends.map(surveyBackend))])
  const lacking = programs.filter(({ needed, state }) => needed && state !== 'ok' && state !== 'to-build')
  if (lacking.length > 0) process.exitCode = exitCode.failed
  if (options.json) return printJson({ ok: lacking.length === 0, programs, backends: found })
  const here = found.map(({ backend, unavailable, remark }) => [
    mark(unavailable === undefined ? 'ok' : 'missing', false),
    backend,
    unavailable ?? (remark === undefined ? 'ready' : `ready: ${remark}`),
  ])
  const parts = [
    table(['', 'program', 'version', 'wanted', 'where', 'for'], programs.map(row)),
    ...advice(programs),
    table(['', 'backend', 'here'], here),
    lacking.length === 0
      ? 'Nothing that is needed is missing. Try: npx holdfast up separate-auth'
      : `Missing and needed: ${lacking.map(({ program }) => program).join(', ')}.`,
  ]
  printResult(parts.join('\n\n'))
}

async function surveyBackend(one: Backend): Promise<{
  backend: string
  unavailable: string | undefined
  remark: string | undefined
}> {
  const unavailable = await one.unavailable()
  return { backend: one.name, unavailable, remark: unavailable === undefined ? one.remark?.() : undefined }
}

/** Builds what is neither given explicitly nor on PATH; what the cache holds is built again when it is not intact. */
async function install(alsoOverlay: boolean): Promise<void> {
  const tools = await Promise.all(BUILT_TOOL_NAMES.map((name) => resolveTool(name).catch(() => undefined)))
  const wanted = BUILT_TOOL_NAMES.filter((_, at) => (tools[at]?.source ?? 'cache') === 'cache')
  const began = performance.now()
  await interruptible(async (signal) => {
    await installTools(wanted, { signal, onProgress: printToolchain })
    if (alsoOverlay) await installTools(BUILT_TOOL_NAMES, { signal, onProgress: printToolchain, overlay: true })
  })
  const count = wanted.length + (alsoOverlay ? BUILT_TOOL_NAMES.length : 0)
  printPhase('done', 'toolchain', `${plural(count, 'program')} in ${seconds(performance.now() - began)}`)
}

/** Programs that need the same thing share a line. */
function advice(programs: readonly Surveyed[]): string[] {
  const sharing = Map.groupBy(programs, (one) => [one.problem, one.advice].filter(Boolean).join('; '))
  const lines = [...sharing].filter(([text]) => text !== '')
  if (lines.length === 0) return []
  const told = lines.map(([text, some]) => `  ${some.map(({ program }) => program).join(', ')}: ${text}`)
  return [`What to type:\n${told.join('\n')}`]
}

function row({ program, purpose, needed, state, wanted, path, version, source }: Surveyed): string[] {
  const where = path ?? (state === 'to-build' ? 'built when first needed' : 'not found')
  return [
    mark(state, needed),
    program,
    version ?? '',
    wanted === undefined ? 'any' : `${wanted} or newer`,
    source === 'explicit' ? `${where} (explicit)` : where,
    needed ? `${purpose} (needed)` : purpose,
  ]
}

function mark(state: Surveyed['state'], needed: boolean): string {
  if (state === 'ok') return paint('green', '✓')
  if (state === 'to-build') return paint('yellow', '…')
  return needed ? paint('red', '✗') : paint('dim', '-')
}
