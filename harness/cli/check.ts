import type { Command } from 'commander'
import { describeFailure } from '../errors.ts'
import { compile, credentialKinds, trustGraph } from '../shipped.ts'
import { offeredActions } from '../topology/actions.ts'
import { callerOf } from '../topology/holders.ts'
import { loadTopology } from '../topology/load.ts'
import { TopologyInvalid } from '../topology/mistakes.ts'
import type { Plan, UnitRef } from '../topology/plan.ts'
import { topologyJsonSchema } from '../topology/schema-docs.ts'
import { deriveMatrix } from '../trust/matrix.ts'
import { MatrixNotDerivable } from '../trust/matrix-mistakes.ts'
import { mermaidPicture } from '../trust/mermaid.ts'
import { svgPicture } from '../trust/svg.ts'
import { exitCode } from './failure.ts'
import { matrixText } from './matrix-text.ts'
import type { CommonOptions } from './options.ts'
import { plural, printJson, printResult, table } from './output.ts'
import { tellDeclared } from './preflight.ts'

interface CheckOptions extends Pick<CommonOptions, 'json' | 'set'> {
  picture?: 'mermaid' | 'svg'
  schema?: boolean
  matrix?: boolean
  full?: boolean
}

export async function check(source: string | undefined, options: CheckOptions, command: Command): Promise<void> {
  if (options.schema) {
    if (source === undefined) return printJson(topologyJsonSchema(credentialKinds))
    command.error('error: --schema is that of every topology; name none', { exitCode: exitCode.usage })
  }
  if (source === undefined) command.error("error: missing required argument 'topology'", { exitCode: exitCode.usage })
  try {
    const plan = compile(await loadTopology(source, { set: options.set }))
    print(plan, options)
    if (tellDeclared(plan).length > 0) process.exitCode = exitCode.failed
  } catch (failure) {
    if (options.json && (failure instanceof TopologyInvalid || failure instanceof MatrixNotDerivable)) {
      const error = { code: failure.code, message: describeFailure(failure) }
      printJson({ error, topology: source, mistakes: failure.mistakes })
    }
    throw failure
  }
}

function print(plan: Plan, { picture, matrix, full, json }: CheckOptions): void {
  if (picture !== undefined) {
    const graph = trustGraph(plan)
    process.stdout.write(picture === 'mermaid' ? mermaidPicture(graph) : svgPicture(graph))
    return
  }
  const derived = matrix && deriveMatrix(plan, credentialKinds, { full })
  if (json) printJson(derived || plan)
  else printResult(derived ? matrixText(derived) : planText(plan))
}

/** What a plan comes to: its nodes, its units in the order in which they can start, and who is accepted where. */
export function planText(plan: Plan): string {
  const nodes = Object.values(plan.nodes)
  const units = nodes.flatMap((node) => node.units)
  const counts = [
    plural(nodes.length, 'node'),
    plural(Object.keys(plan.trustDomains).length, 'trust domain'),
    plural(Object.keys(plan.credentials).length, 'credential'),
    plural(units.length, 'unit'),
  ]
  const parameters = Object.entries(plan.parameters).map(([name, value]) => `${name}=${value}`)
  return [
    `${plan.topology}  ${plan.summary}`,
    `${counts.join(', ')}${parameters.length > 0 ? `; ${parameters.join(' ')}` : ''}`,
    '',
    table(
      ['node', 'trust domain', 'host'],
      nodes.map(({ name, domain, host }) => [name, domain, host]),
    ),
    '',
    'Units, in the order in which they can start (those of one step start together):',
    table(
      ['step', 'unit', 'kind', 'what it does'],
      startSteps(plan).flatMap((refs, step) => refs.map((ref) => unitRow(plan, ref, `${step + 1}`))),
    ),
    '',
    'Actions, what a caller can do at each node:',
    table(
      ['node', 'action', 'listener', 'presented', 'what it does'],
      offeredActions(plan).map((one) => [one.node, one.action, one.listener, one.presents, one.summary]),
    ),
    '',
    'Accepted; everything else is refused:',
    table(
      ['target', 'action', 'credential', 'held by', 'issued by'],
      plan.accepts.map((accept) => {
        const { target, action, credential } = accept
        return [target, action, credential, callerOf(plan, accept), plan.credentials[credential]!.issuer]
      }),
    ),
  ].join('\n')
}

function unitRow(plan: Plan, ref: UnitRef, step: string): string[] {
  const [node = '', name] = ref.split('/')
  const unit = plan.nodes[node]!.units.find((candidate) => candidate.name === name)!
  return [unit.start ?? step, ref, unit.kind, unit.summary]
}

/** Units by the earliest step in which they can start, or be run. */
export function startSteps(plan: Plan): UnitRef[][] {
  const after = new Map<UnitRef, readonly UnitRef[]>()
  for (const { name, units } of Object.values(plan.nodes)) {
    for (const unit of units) after.set(`${name}/${unit.name}`, unit.after)
  }
  const steps = new Map<UnitRef, number>()
  const stepOf = (ref: UnitRef): number => {
    const known = steps.get(ref)
    if (known !== undefined) return known
    const step = Math.max(-1, ...(after.get(ref) ?? []).map(stepOf)) + 1
    steps.set(ref, step)
    return step
  }
  const byStep = Map.groupBy(after.keys(), stepOf)
  return Array.from({ length: byStep.size }, (_, step) => byStep.get(step) ?? [])
}
