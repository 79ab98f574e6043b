import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import type { Command, Enrol, Fetch, PlanFile, PlanUnit, Step } from '../topology/plan.ts'
import { commandOf } from './command.ts'
import { readDeclared } from './declared-file.ts'
import { converse } from './execute.ts'
import type { LogTail } from './log-tail.ts'
import { expectedCall, fetchText, type NodeContext, templates, unitFolder } from './node-context.ts'
import { type Exit, startTree } from './process-tree.ts'
import type { StepPath } from './protocol.ts'
import { receive } from './receive.ts'
import { fill, fillJson } from './template.ts'
import { wrapperOf, writeFor } from './unit-files.ts'

const ONE_STEP_MS = 60_000

/** A program of a step did not end well. Code `HOLDFAST_STEP_FAILED`. */
export class StepFailed extends HoldfastError {
  /** How the program ended, if it ran at all. */
  readonly exit: Exit | undefined

  constructor(
    program: string,
    how: string,
    wayOut = 'its last lines are in the log of the unit',
    { exit, ...options }: ErrorOptions & { exit?: Exit } = {},
  ) {
    super('HOLDFAST_STEP_FAILED', `${program} ${how}; ${wayOut}`, options)
    this.exit = exit
  }
}

type Copy = Extract<Step, { copy: unknown }>['copy']
type Secret = Extract<Step, { secret: unknown }>['secret']

/** A unit while its steps run. */
export interface UnitAtWork {
  context: NodeContext
  unit: PlanUnit
  log: LogTail
  signal: AbortSignal
  /** Where somebody asked for it: what its programs are given, and where all that they say goes. */
  asked?: { input?: string; output: { stdout: string; stderr: string } }
}

/** Runs steps in order; `prefix` is their place in the unit. */
export async function runSteps(work: UnitAtWork, steps: readonly Step[], prefix: StepPath = []): Promise<void> {
  for (const [index, step] of steps.entries()) {
    work.signal.throwIfAborted()
    const programs = steps.slice(index + 1).filter((later) => 'run' in later)
    await runStep(work, step, [...prefix, index], () => runSteps(work, programs))
  }
}

/** `again` runs the programs of the steps that follow. */
async function runStep(work: UnitAtWork, step: Step, path: StepPath, again: () => Promise<void>): Promise<void> {
  const { context, unit } = work
  const place = `${context.node.name}/${unit.name}`
  if ('run' in step) await runCommand(work, step.run, step.setting)
  else if ('call' in step) await expectedCall(context, step.call, templates(context, unit.name), place)
  else if ('receive' in step) await receive(context, unit.name, step.receive, path, again)
  else if ('enrol' in step) await enrol(work, step.enrol, path)
  else if ('secret' in step) await makeSecret(context, unit.name, step.secret)
  else if ('fetch' in step) await fetchFile(context, unit.name, step.fetch)
  else if ('copy' in step) await copyFile(context, unit.name, step.copy)
  else if ('write' in step) await renderFile(context, unit.name, step.write)
  else await Promise.all(step.parallel.map((lane, index) => runSteps(work, lane, [...path, index])))
}

async function runCommand(
  { context, unit, log, signal, asked }: UnitAtWork,
  command: Command,
  setting?: string,
): Promise<void> {
  const { argv, ...where } = await commandOf(context, command, unit.name)
  const program = [`${context.node.name}/${unit.name}:`, setting, argv[0]].filter(Boolean).join(' ')
  const tree = await startTree(await wrapperOf(context, unit.name), argv, {
    ...where,
    stdio: [asked === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: ONE_STEP_MS,
    killSignal: 'SIGKILL',
    signal,
  }).catch((cause: Error) => {
    throw new StepFailed(program, `cannot be executed (${cause.message})`, 'name a program that is there', { cause })
  })
  tree.child.on('error', () => {})
  context.ahead.programSpawned()
  log.follow(tree)
  if (asked !== undefined) converse(tree, asked.output, asked.input)
  const exit = await tree.ended
  const how = exit.signal ? `was ended by ${exit.signal}` : `exited with ${exit.code}`
  if (exit.code !== 0) throw new StepFailed(program, how, undefined, { exit })
}

/** Renders a file of the unit: templates filled, `@{json:FILE}` replaced by what an earlier step made. */
export async function renderFile(context: NodeContext, unit: string, file: PlanFile): Promise<void> {
  const template = templates(context, unit)
  const path = fill(file.path, template, `${context.node.name}/${unit}: path of a file`)
  const included = new Map<string, unknown>()
  for (const name of includedFiles(file.json)) {
    const read = await readDeclared(context, join(unitFolder(context, unit), name))
    included.set(name, JSON.parse(read.toString()))
  }
  const content =
    file.text === undefined
      ? `${JSON.stringify(
          fillJson(file.json, template, path, (name) => included.get(name)),
          null,
          2,
        )}\n`
      : fill(file.text, template, path)
  await writeFor(context, unit, path, content, { mode: file.mode ?? '0600' })
}

function includedFiles(json: unknown): string[] {
  return [...(JSON.stringify(json) ?? '').matchAll(/"@\{json:([^}"]+)\}"/g)].map((match) => match[1] as string)
}

async function fetchFile(context: NodeContext, unit: string, { url, follow, ca, to }: Fetch): Promise<void> {
  const place = `${context.node.name}/${unit}: fetch`
  const template = templates(context, unit)
  const get = (from: string) => fetchText(context, { url: from, ca }, template, place)
  const text = await get(follow === undefined ? url : memberOf(await get(url), follow, url))
  await writeFor(context, unit, fill(to.path, template, place), text, { mode: to.mode })
}

async function copyFile(context: NodeContext, unit: string, { from, to }: Copy): Promise<void> {
  const place = `${context.node.name}/${unit}: copy`
  const template = templates(context, unit)
  const content = await readDeclared(context, fill(from, template, place))
  await writeFor(context, unit, fill(to.path, template, place), content, to)
}

async function makeSecret(context: NodeContext, unit: string, { path, bytes, as = 'hex' }: Secret): Promise<void> {
  const file = fill(path, templates(context, unit), `${context.node.name}/${unit}: secret`)
  const found = await readFile(file, 'utf8').catch(() => '')
  const text = found || randomBytes(bytes).toString(as)
  context.learn(text, { mode: '0600' })
  if (found === '') await writeFor(context, unit, file, text, { mode: '0600' })
}

function memberOf(text: string, name: string, url: string): string {
  const value = (JSON.parse(text) as Record<string, unknown>)[name]
  // What is fetched there is trusted: in plaintext anybody on the way could have written it (RFC 8414 section 2).
  if (typeof value === 'string' && value.startsWith('https://')) return value
  throw new HoldfastError(
    'HOLDFAST_FETCH_MEMBER',
    `${url} answered no https URL "${name}"; is it an issuer's metadata?`,
  )
}

async function enrol({ context, unit }: UnitAtWork, step: Enrol, path: StepPath): Promise<void> {
  const template = templates(context, unit.name)
  const place = `${context.node.name}/${unit.name}: enrol`
  const [made, { signAtCa }] = await Promise.all([context.ahead.takeRequest(step), import('./enrol.ts')])
  const ref = `${context.node.name}/${unit.name}`
  const ott = await context.serve(step.ca, { kind: 'one-time-token', unit: ref, step: path, x5rt: made.x5rt })
  const { certPem } = await signAtCa({
    url: step.url,
    resolveTo: context.settings.hosts[new URL(step.url).hostname],
    anchorPem: await readFile(fill(step.anchor, template, place), 'utf8'),
    csrPem: made.csrPem,
    ott,
    lifetimeSeconds: step.lifetimeSeconds,
  })
  const dir = fill(step.dir, template, place)
  // The key first: whoever watches for the certificate finds its key.
  context.learn(made.keyPem, { mode: '0600' })
  const demand = { mode: '0600', owner: step.owner }
  await writeFor(context, unit.name, join(dir, 'key.pem'), made.keyPem, demand)
  await writeFor(context, unit.name, join(dir, 'cert.pem'), certPem, demand)
  context.emit({ event: 'handover', unit: unit.name, credential: step.credential, from: step.ca })
}
