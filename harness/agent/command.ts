import { fileURLToPath } from 'node:url'
import { HoldfastError } from '../errors.ts'
import type { Command } from '../topology/plan.ts'
import type { NodeContext } from './node-context.ts'
import { templates, unitFolder } from './node-context.ts'
import { fill } from './template.ts'
import { userOf } from './unit-files.ts'

/** The plan needs a program that the run was not given. Code `HOLDFAST_PROGRAM_UNKNOWN`. */
export class UnknownProgram extends HoldfastError {
  constructor(tool: string, place: string) {
    super('HOLDFAST_PROGRAM_UNKNOWN', `${place}: the program ${tool} was not resolved; see "npx holdfast doctor"`)
  }
}

// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const preload = new URL('./hosts-preload.mjs', import.meta.url).href

/** Arguments to put before a script so that Node runs it on a node: quiet, and with the plan's host names. */
export function nodeArguments(): string[] {
  return ['--disable-warning=ExperimentalWarning', '--import', preload]
}

/** Program and arguments of a command, ready to be executed. */
export function argvOf(context: NodeContext, command: Command, unit: string): string[] {
  const place = `${context.node.name}/${unit}: command`
  const template = templates(context, unit)
  const args = command.args.map((arg) => fill(arg, template, place))
  const { program } = command
  if ('path' in program) return [...executable(fill(program.path, template, place)), ...args]
  if ('script' in program) return [process.execPath, ...nodeArguments(), fill(program.script, template, place), ...args]
  if ('service' in program) return [process.execPath, ...nodeArguments(), serviceMain(program.service), ...args]
  const tool = context.settings.tools[program.tool]
  if (tool === undefined) throw new UnknownProgram(program.tool, place)
  return [tool, ...args]
}

function executable(program: string): string[] {
  return program === 'node' ? [process.execPath, ...nodeArguments()] : [program]
}

/** The folder that a command runs in. */
export function folderOf(context: NodeContext, unit: string, { cwd }: Command): string {
  if (cwd === undefined) return unitFolder(context, unit)
  return fill(cwd, templates(context, unit), `${context.node.name}/${unit}: working folder`)
}

export function serviceMain(service: string): string {
  return fileURLToPath(new URL(`../../services/${service}/main.${suffix}`, import.meta.url))
}

/** Environment of a program: the run's, the command's, and what was added from outside for the node and the unit. */
export function environmentOf(context: NodeContext, unit?: string, command?: Command): Record<string, string> {
  const { settings, node } = context
  const template = templates(context, unit)
  const user = unit === undefined ? undefined : userOf(context, unit)
  const own = Object.entries(command?.env ?? {}).map(([name, value]) => [
    name,
    fill(value, template, `${node.name}/${unit}: environment ${name}`),
  ])
  return {
    ...settings.environment,
    ...settings.clocks?.[node.name],
    HOLDFAST_RUN: settings.run,
    HOLDFAST_HOSTS: settings.hostsFile,
    ...(user !== undefined && { HOME: unitFolder(context, unit!), USER: user, LOGNAME: user }),
    ...Object.fromEntries(own),
    ...settings.extra[node.name],
    ...(unit === undefined ? {} : settings.extra[`${node.name}/${unit}`]),
  }
}
