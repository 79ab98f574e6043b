import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import { redact, secretsOf } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { Command, Program } from '../topology/plan.ts'
import type { NodeContext, UnitContext } from './node-context.ts'
import type { RunSettings } from './protocol.ts'
import { contentsIn, fill } from './template.ts'
import { readDeclared } from './unit-files.ts'

// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const preload = new URL('./hosts-preload.mjs', import.meta.url).href

const quietNode = [process.execPath, '--disable-warning=ExperimentalWarning'] as const

/** What to put before a script so that Node runs it: quiet, and with the host names of the file that `HOLDFAST_HOSTS` names. */
export const nodeCommand = [...quietNode, '--import', preload] as const

/** The same on a node, with the plan's host names: where it has hosts of its own, Node finds them as any program does. */
export function nodeCommandOn({ ownHosts }: Pick<RunSettings, 'ownHosts'>): readonly string[] {
  return ownHosts ? quietNode : nodeCommand
}

/** A command with everything filled in, ready to be executed. */
export async function commandOf(
  context: UnitContext,
  command: Command,
): Promise<{ argv: string[]; cwd: string; env: Record<string, string> }> {
  const contents = await contentsOf(context, command)
  return {
    argv: argvOf(context, command, contents),
    cwd: fill(command.cwd ?? '@{unit}', context, `${context.ref}: working folder`),
    env: { ...environmentBelow(command, context.settings), ...environmentOf(context, command, contents) },
  }
}

/** A start script of somebody's may lead to Node, which finds the plan's host names all the same. */
function environmentBelow({ program }: Command, { ownHosts }: RunSettings): Record<string, string> {
  return 'path' in program && !ownHosts ? { NODE_OPTIONS: `--import=${preload}` } : {}
}

type Contents = ReadonlyMap<string, string>

/** Of the files that the environment of a command, or one that shows them, names by `@{content:FILE}`. Nobody writes them down from now on. */
async function contentsOf(context: UnitContext, { env = {}, args, showsContents }: Command): Promise<Contents> {
  const files = new Set([...Object.values(env), ...(showsContents ? args : [])].flatMap(contentsIn))
  const place = `${context.ref}: content of a file`
  const contents = new Map<string, string>()
  for (const file of files) {
    const { path, content } = await contentOf(context, file, place)
    if (!canBeKnown(content)) {
      throw new HoldfastError(
        'HOLDFAST_CONTENT_UNKNOWABLE',
        `${place}: ${path} is not one line of 16 characters or more without blanks, so it cannot be known in a log; write down what is no secret itself`,
      )
    }
    context.learn(content, { mode: '0600' })
    contents.set(file, content)
  }
  return contents
}

/** What `@{content:FILE}` stands for, and where it was read. */
export async function contentOf(context: UnitContext, file: string, place: string) {
  const path = resolve(context.unitDir, fill(file, context, place))
  return { path, content: (await readDeclared(context, path)).toString().replace(/\r?\n$/, '') }
}

/** Whether all of it is taken out of a text in which it stands. */
function canBeKnown(content: string): boolean {
  const known = new KnownSecrets()
  known.add(secretsOf(content))
  return /^(\[secret \S+ removed\]|\S{1,8}…)$/.test(redact(content, known))
}

/** Program and arguments of a command. */
export function argvOf(context: UnitContext, { program, args, showsContents }: Command, contents?: Contents): string[] {
  const place = `${context.ref}: command`
  const shown = showsContents ? undefined : args.find((arg) => contentsIn(arg).length > 0)
  if (shown === undefined) {
    const filled = args.map((arg) => fill(arg, { ...context, contents }, place))
    return [...executable(context, program, place), ...filled]
  }
  throw new HoldfastError(
    'HOLDFAST_CONTENT_IN_ARGS',
    `${place}: the argument ${shown} would show a secret to everybody who lists processes; give it in env, or its file's path`,
  )
}

function executable(context: UnitContext, program: Program, place: string): readonly string[] {
  if ('script' in program) return [...nodeCommandOn(context.settings), fill(program.script, context, place)]
  if ('service' in program) return serviceCommandOn(context.settings, program.service)
  if ('path' in program) {
    const path = fill(program.path, context, place)
    return path === 'node' ? nodeCommandOn(context.settings) : [path]
  }
  const tool = context.settings.tools[program.tool]
  if (tool !== undefined) return [tool]
  throw new HoldfastError(
    'HOLDFAST_PROGRAM_UNKNOWN',
    `${place}: the program ${program.tool} was not resolved; see "npx holdfast doctor"`,
  )
}

/** Program and arguments of a service on a node. */
export function serviceCommandOn(settings: Pick<RunSettings, 'ownHosts' | 'services'>, service: string) {
  return [...nodeCommandOn(settings), serviceMain(service, settings.services)]
}

/** `bundled`: a folder in which each service is one file. */
export function serviceMain(service: string, bundled?: string): string {
  if (bundled !== undefined) return join(bundled, `${service}.js`)
  return fileURLToPath(new URL(`../../services/${service}/main.${suffix}`, import.meta.url))
}

/** Whether Node runs it, which looks names up by a module that is loaded from outside. */
function isNodes(program: Program | undefined): boolean {
  return (
    program !== undefined &&
    ('script' in program || 'service' in program || ('path' in program && program.path === 'node'))
  )
}

/** Environment of a program: the run's, the command's, and what was added from outside for the node and the unit. */
export function environmentOf(
  context: NodeContext,
  { env = {}, program }: Partial<Command> = {},
  contents?: Contents,
): Record<string, string> {
  const { settings, node, unit, unitDir, ref } = context
  const clock = settings.clocks?.[node.name]
  const names = isNodes(program) ? {} : (settings.libcNames?.[node.name] ?? {})
  const preloads = [clock?.LD_PRELOAD, names.LD_PRELOAD].filter((library) => library !== undefined)
  const template = { ...context, contents }
  const own = Object.entries(env).map(([name, text]) => [name, fill(text, template, `${ref}: environment ${name}`)])
  const user = unit?.user
  return {
    ...settings.environment,
    ...clock,
    ...names,
    ...(preloads.length > 0 && { LD_PRELOAD: preloads.join(':') }),
    HOLDFAST_RUN: settings.run,
    ...(!settings.ownHosts && { HOLDFAST_HOSTS: settings.hostsFiles[node.name]! }),
    ...(user !== undefined && { HOME: unitDir, USER: user, LOGNAME: user }),
    ...Object.fromEntries(own),
    ...settings.extra[node.name],
    ...(unit && settings.extra[ref]),
  }
}
