import { Command, Option } from 'commander'
import type { Surveyed } from '../toolchain/survey.ts'
import type { ToolName } from '../toolchain/tools.ts'
import { exitCode } from './exit-code.ts'
import { jsonOption } from './options.ts'
import { paint, plural, printJson, printPhase, printResult, table } from './output.ts'

interface BackendFinding {
  readonly backend: string
  /** Why it cannot run here, or undefined. */
  readonly unavailable?: string
}

/** `holdfast doctor`: what this machine has, what is missing, and what to type. Fails only when something needed is missing. */
export function doctor(): Command {
  return new Command('doctor')
    .description('say which programs are here, where, which version, and what to type about those that are not')
    .option('--install', 'build the programs that are missing, once')
    .addOption(
      new Option(
        '--overlay',
        'with --install: those builds, too, that follow the clock and the host names of a run',
      ).implies({ install: true }),
    )
    .addOption(jsonOption())
    .action(run)
}

async function run(options: { install?: boolean; overlay?: boolean; json?: boolean }): Promise<void> {
  if (options.install) await install(options.overlay ?? false)
  const { survey } = await import('../toolchain/survey.ts')
  const [programs, backends] = await Promise.all([survey(), surveyBackends()])
  const lacking = programs.filter(({ needed, state }) => needed && state !== 'ok' && state !== 'to-build')
  if (options.json) printJson({ ok: lacking.length === 0, programs, backends })
  else printResult(render(programs, backends, lacking))
  process.exitCode = lacking.length === 0 ? exitCode.ok : exitCode.failed
}

/** Builds what is neither given explicitly nor on PATH; what the cache holds is built again when it is not intact. */
async function install(alsoOverlay: boolean): Promise<void> {
  const [{ installTools }, { resolveTool }, { TOOL_NAMES }, { interruptible }] = await Promise.all([
    import('../toolchain/install.ts'),
    import('../toolchain/resolve.ts'),
    import('../toolchain/tools.ts'),
    import('./interruption.ts'),
  ])
  const wanted: ToolName[] = []
  for (const name of TOOL_NAMES) {
    const tool = await resolveTool(name).catch(() => undefined)
    if (tool === undefined || tool.source === 'cache') wanted.push(name)
  }
  const began = Date.now()
  const onProgress = (line: string) => printPhase('working', 'toolchain', line)
  await interruptible(async (signal) => {
    await installTools(wanted, { signal, onProgress })
    if (alsoOverlay) await installTools(TOOL_NAMES, { signal, onProgress, overlay: true })
  })
  const count = wanted.length + (alsoOverlay ? TOOL_NAMES.length : 0)
  printPhase('done', 'toolchain', `${plural(count, 'program')} in ${((Date.now() - began) / 1000).toFixed(1)}s`)
}

async function surveyBackends(): Promise<BackendFinding[]> {
  const { backends } = await import('../shipped.ts')
  return Promise.all(
    backends.map(async (backend) => ({ backend: backend.name, unavailable: await backend.unavailable() })),
  )
}

function render(
  programs: readonly Surveyed[],
  backends: readonly BackendFinding[],
  lacking: readonly Surveyed[],
): string {
  const advice = advices(programs)
  const parts = [table(['', 'program', 'version', 'wanted', 'where', 'for'], programs.map(row))]
  if (advice.length > 0) parts.push(`What to type:\n${advice.join('\n')}`)
  parts.push(
    table(
      ['', 'backend', 'here'],
      backends.map(({ backend, unavailable }) => [
        mark(unavailable === undefined ? 'ok' : 'missing', false),
        backend,
        unavailable ?? 'ready',
      ]),
    ),
  )
  parts.push(
    lacking.length === 0
      ? 'Nothing that is needed is missing. Try: npx holdfast up separate-auth'
      : `Missing and needed: ${lacking.map(({ program }) => program).join(', ')}.`,
  )
  return parts.join('\n\n')
}

/** Programs that need the same thing share a line. */
function advices(programs: readonly Surveyed[]): string[] {
  const sharing = new Map<string, string[]>()
  for (const { program, problem, advice } of programs) {
    const text = [problem, advice].filter(Boolean).join('; ')
    if (text !== '') sharing.set(text, [...(sharing.get(text) ?? []), program])
  }
  return [...sharing].map(([text, names]) => `  ${names.join(', ')}: ${text}`)
}

function row({ program, purpose, needed, state, wanted, path, version, source }: Surveyed): string[] {
  const where = [
    path ?? (state === 'to-build' ? 'built when first needed' : 'not found'),
    source === 'explicit' ? '(explicit)' : '',
  ]
  return [
    mark(state, needed),
    program,
    version ?? '',
    wanted === undefined ? 'any' : `${wanted} or newer`,
    where.join(' ').trim(),
    needed ? `${purpose} (needed)` : purpose,
  ]
}

function mark(state: Surveyed['state'], needed: boolean): string {
  if (state === 'ok') return paint('green', '✓')
  if (state === 'to-build') return paint('yellow', '…')
  return needed ? paint('red', '✗') : paint('dim', '-')
}
