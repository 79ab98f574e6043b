import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import { redact, secretsOf } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { Command } from '../topology/plan.ts'
import { readDeclared } from './declared-file.ts'
import type { NodeContext } from './node-context.ts'
import { templates, unitFolder } from './node-context.ts'
import { contentsIn, fill } from './template.ts'
import { userOf } from './unit-files.ts'

/** The plan needs a program that the run was not given. Code `HOLDFAST_PROGRAM_UNKNOWN`. */
export class UnknownProgram extends HoldfastError {
  constructor(tool: string, place: string) {
    super('HOLDFAST_PROGRAM_UNKNOWN', `${place}: the program ${tool} was not resolved; see "npx holdfast doctor"`)
  }
}

/** A command names the content of a file that could not be kept out of what is written down. Code `HOLDFAST_CONTENT_UNKNOWABLE`. */
export class NoSecret extends HoldfastError {
  constructor(place: string, path: string) {
    super(
      'HOLDFAST_CONTENT_UNKNOWABLE',
      `${place}: ${path} is not one line of 16 characters or more without blanks, so it cannot be known in a log; write down what is no secret itself`,
    )
  }
}

/** A command gives a secret in an argument. Code `HOLDFAST_CONTENT_IN_ARGS`. */
export class SecretArgument extends HoldfastError {
  constructor(place: string, arg: string) {
    super(
      'HOLDFAST_CONTENT_IN_ARGS',
      `${place}: the argument ${arg} would show a secret to everybody who lists processes; give it in env, or its file's path`,
    )
  }
}

// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const preload = new URL('./hosts-preload.mjs', import.meta.url).href

/** Arguments to put before a script so that Node runs it on a node: quiet, and with the plan's host names. */
export function nodeArguments(): string[] {
  return ['--disable-warning=ExperimentalWarning', '--import', preload]
}

/** A command with everything filled in, ready to be executed. */
export async function commandOf(
  context: NodeContext,
  command: Command,
  unit: string,
): Promise<{ argv: string[]; cwd: string; env: Record<string, string> }> {
  const contents = await contentsOf(context, command, unit)
  return {
    argv: argvOf(context, command, unit),
    cwd: folderOf(context, unit, command),
    env: environmentOf(context, unit, command, contents),
  }
}

type Contents = ReadonlyMap<string, string>

/** Of the files that the environment of a command names by `@{content:FILE}`. Nobody writes them down from now on. */
async function contentsOf(context: NodeContext, command: Command, unit: string): Promise<Contents> {
  const files = new Set(Object.values(command.env ?? {}).flatMap(contentsIn))
  const place = `${context.node.name}/${unit}: content of a file`
  const contents = new Map<string, string>()
  for (const file of files) {
    const path = resolve(unitFolder(context, unit), fill(file, templates(context, unit), place))
    const content = (await readDeclared(context, path)).toString().replace(/\r?\n$/, '')
    if (!canBeKnown(content)) throw new NoSecret(place, path)
    context.learn(content, { mode: '0600' })
    contents.set(file, content)
  }
  return contents
}

/** Whether all of it is taken out of a text in which it stands. */
function canBeKnown(content: string): boolean {
  const known = new KnownSecrets()
  known.add(secretsOf(content))
  return /^(\[secret \S+ removed\]|\S{1,8}…)$/.test(redact(content, known))
}

/** Program and arguments of a command. */
export function argvOf(context: NodeContext, command: Command, unit: string): string[] {
  const place = `${context.node.name}/${unit}: command`
  const template = templates(context, unit)
  const shown = command.args.find((arg) => contentsIn(arg).length > 0)
  if (shown !== undefined) throw new SecretArgument(place, shown)
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
function folderOf(context: NodeContext, unit: string, { cwd }: Command): string {
  if (cwd === undefined) return unitFolder(context, unit)
  return fill(cwd, templates(context, unit), `${context.node.name}/${unit}: working folder`)
}

export function serviceMain(service: string): string {
  return fileURLToPath(new URL(`../../services/${service}/main.${suffix}`, import.meta.url))
}

/** Environment of a program: the run's, the command's, and what was added from outside for the node and the unit. */
export function environmentOf(
  context: NodeContext,
  unit?: string,
  command?: Command,
  contents?: Contents,
): Record<string, string> {
  const { settings, node } = context
  const template = { ...templates(context, unit), contents }
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
