import { Command, Option } from 'commander'
import { describeFailure } from '../errors.ts'
import { offeredActions } from '../topology/actions.ts'
import { callerOf } from '../topology/holders.ts'
import type { Plan, UnitRef } from '../topology/plan.ts'
import { exitCode } from './exit-code.ts'
import { type CommonOptions, jsonOption, setOption } from './options.ts'
import { plural, printJson, printResult, table } from './output.ts'

interface CheckOptions extends Pick<CommonOptions, 'json' | 'set'> {
  picture?: 'mermaid' | 'svg'
  schema?: boolean
  matrix?: boolean
  full?: boolean
}

export function check(): Command {
  return new Command('check')
    .description('Find every mistake of a topology without starting anything, and show what it comes to.')
    .argument('[topology]', 'name of a topology (see npx holdfast list), or the path of a .nix, .json or .ts file')
    .addOption(setOption())
    .addOption(
      new Option('--picture <form>', 'print a picture of who trusts whom')
        .choices(['mermaid', 'svg'])
        .conflicts(['json', 'matrix', 'full']),
    )
    .addOption(new Option('--schema', 'print the JSON Schema of a topology').conflicts(['picture', 'matrix', 'full']))
    .addOption(new Option('--matrix', 'print every call that could be tried, with its verdict and reason, by classes'))
    .addOption(new Option('--full', 'with --matrix: every cell, not one of each class').implies({ matrix: true }))
    .addOption(jsonOption('print the plan, or the matrix, as one JSON value; with mistakes, those'))
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast check separate-auth
  npx holdfast check ./lab.json --set nodes=3
  npx holdfast check shared-auth --picture svg > shared-auth.svg
  npx holdfast check separate-auth --matrix             what must be refused, and for which reason

Exit code 1 when the topology has mistakes: all of them are told, each with its place and the way out. So are things that\ncannot be meant (an audience that is almost a node's, a lifetime that ends within a run), below the topology.`,
    )
    .action(async (topology: string | undefined, options: CheckOptions, command: Command) => {
      if (options.schema && topology !== undefined) {
        command.error('error: --schema is that of every topology; name none', { exitCode: exitCode.usage })
      }
      if (options.schema) return printSchema()
      if (topology === undefined) command.error("error: missing required argument 'topology'", { exitCode: 2 })
      await checkTopology(topology!, options)
    })
}

async function printSchema(): Promise<void> {
  const [{ topologyJsonSchema }, { credentialKinds }] = await Promise.all([
    import('../topology/schema-docs.ts'),
    import('../shipped.ts'),
  ])
  printJson(topologyJsonSchema(credentialKinds))
}

async function checkTopology(source: string, options: CheckOptions): Promise<void> {
  const [{ loadTopology }, { compile }, { TopologyInvalid }, { MatrixNotDerivable }] = await Promise.all([
    import('../topology/load.ts'),
    import('../shipped.ts'),
    import('../topology/mistakes.ts'),
    import('../trust/matrix-mistakes.ts'),
  ])
  try {
    const plan = compile(await loadTopology(source, { set: options.set }))
    await print(plan, options)
    const { tellDeclared } = await import('./preflight.ts')
    if ((await tellDeclared(plan)).length > 0) process.exitCode = exitCode.failed
  } catch (failure) {
    if (options.json && (failure instanceof TopologyInvalid || failure instanceof MatrixNotDerivable)) {
      const error = { code: failure.code, message: describeFailure(failure) }
      printJson({ error, topology: source, mistakes: failure.mistakes })
    }
    throw failure
  }
}

async function print(plan: Plan, options: CheckOptions): Promise<void> {
  if (options.picture !== undefined) process.stdout.write(await picture(plan, options.picture))
  else if (options.matrix) await printMatrix(plan, options)
  else if (options.json) printJson(plan)
  else printResult(planText(plan))
}

async function printMatrix(plan: Plan, { full, json }: CheckOptions): Promise<void> {
  const [{ deriveMatrix }, { credentialKinds }] = await Promise.all([
    import('../trust/matrix.ts'),
    import('../shipped.ts'),
  ])
  const matrix = deriveMatrix(plan, credentialKinds, { full })
  if (json) printJson(matrix)
  else printResult((await import('./matrix-text.ts')).matrixText(matrix))
}

async function picture(plan: Plan, form: 'mermaid' | 'svg'): Promise<string> {
  const { trustGraph } = await import('../shipped.ts')
  if (form === 'mermaid') return (await import('../trust/mermaid.ts')).mermaidPicture(trustGraph(plan))
  return (await import('../trust/svg.ts')).svgPicture(trustGraph(plan))
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
      offeredActions(plan).map(({ node, action, listener, presents, summary }) => [
        node,
        action,
        listener,
        presents,
        summary,
      ]),
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
