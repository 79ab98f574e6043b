import type { Command } from 'commander'
import { demandGiven } from '../backends/given-files.ts'
import { describeFailure } from '../errors.ts'
import { compile, credentialKinds, trustGraph } from '../shipped.ts'
import { offeredActions } from '../topology/actions.ts'
import { callerOf } from '../topology/holders.ts'
import { loadTopology } from '../topology/load.ts'
import { TopologyInvalid } from '../topology/mistakes.ts'
import { networksOf } from '../topology/networks.ts'
import type { Plan, PlanUnit, UnitRef } from '../topology/plan.ts'
import { topologyJsonSchema } from '../topology/schema-docs.ts'
import { deriveMatrix, MatrixNotDerivable } from '../trust/matrix.ts'
import { mermaidPicture } from '../trust/mermaid.ts'
import { svgPicture } from '../trust/svg.ts'
import { foreignNodes } from './derived-scenarios.ts'
import { exitCode } from './failure.ts'
import { matrixText } from './matrix-text.ts'
import type { CommonOptions } from './options.ts'
import { columnsOf, hanging, plural, printJson, printResult, table } from './output.ts'
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
    await demandGiven(plan)
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
  else printResult(derived ? matrixText(derived, full ? undefined : foreignNodes(plan)) : planText(plan))
}

/** What a plan comes to: its nodes, its units in the order in which they can start, and who is accepted where. */
export function planText(plan: Plan): string {
  const width = columnsOf(process.stdout)
  const nodes = Object.values(plan.nodes)
  const units = unitsOf(plan)
  const counts = [
    plural(nodes.length, 'node'),
    plural(Object.keys(plan.trustDomains).length, 'trust domain'),
    plural(Object.keys(plan.credentials).length, 'credential'),
    plural(units.size, 'unit'),
  ]
  const parameters = Object.entries(plan.parameters).map(([name, value]) => `${name}=${value}`)
  const networks = Object.entries(plan.networks ?? {}).map(([name, { summary = '' }]) => [name, summary])
  const where = networks.length > 0
  const places = nodes.map((node) => [
    node.name,
    node.domain,
    node.host,
    ...(where ? [networksOf(node).join(', ')] : []),
  ])
  const steps = startSteps(plan).flatMap((refs, step) =>
    refs.map((ref) => {
      const { start, kind, summary } = units.get(ref)!
      return [start ?? `${step + 1}`, ref, kind, summary]
    }),
  )
  const actions = offeredActions(plan).map((one) => [one.node, one.action, one.listener, one.presents, one.summary])
  const accepted = plan.accepts.map((accept) => {
    const { target, action, credential } = accept
    return [target, action, credential, callerOf(plan, accept), plan.credentials[credential]!.issuer]
  })
  return [
    hanging(`${plan.topology}  ${plan.summary}`, width, 2),
    hanging(`${counts.join(', ')}${parameters.length > 0 ? `; ${parameters.join(' ')}` : ''}`, width, 2),
    '',
    table(['node', 'trust domain', 'host', ...(where ? ['networks, home first'] : [])], places),
    ...(where ? ['', table(['network', 'what it is'], networks)] : []),
    '',
    'Units, in the order in which they can start (those of one step start together):',
    table(['step', 'unit', 'kind', 'what it does'], steps),
    '',
    'Actions, what a caller can do at each node:',
    table(['node', 'action', 'listener', 'presented', 'what it does'], actions),
    '',
    'Accepted; everything else is refused:',
    table(['target', 'action', 'credential', 'held by', 'issued by'], accepted),
  ].join('\n')
}

function unitsOf({ nodes }: Plan): Map<UnitRef, PlanUnit> {
  return new Map(
    Object.values(nodes).flatMap(({ name, units }) => units.map((unit) => [`${name}/${unit.name}` as const, unit])),
  )
}

/** Units by the earliest step in which they can start, or be run. */
export function startSteps(plan: Plan): UnitRef[][] {
  const units = unitsOf(plan)
  const steps = new Map<UnitRef, number>()
  const stepOf = (ref: UnitRef): number => {
    const step = steps.get(ref) ?? Math.max(-1, ...units.get(ref)!.after.map(stepOf)) + 1
    steps.set(ref, step)
    return step
  }
  const byStep = Map.groupBy(units.keys(), stepOf)
  return Array.from({ length: byStep.size }, (_, step) => byStep.get(step) ?? [])
}
