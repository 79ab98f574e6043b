import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import { certificateKeySet } from '../pki/certificate.ts'
import { rootsAt, systemRoots } from '../pki/given.ts'
import type { Command, Enrol, Fetch, HttpCall, PlanFile, Step } from '../topology/plan.ts'
import { contentOf } from './command.ts'
import { startProgram, type UnitAtWork } from './execute.ts'
import { expectedCall, told, type UnitContext, wayTo } from './node-context.ts'
import { type Exit, howEnded } from './process-tree.ts'
import type { StepPath } from './protocol.ts'
import { receive } from './receive.ts'
import { isCalled, startTurn } from './start-turn.ts'
import { contentsIn, fill, fillJson } from './template.ts'
import { readDeclared, writeFor } from './unit-files.ts'

const ONE_STEP_MS = 60_000

/** A program of a step did not end well. Code `HOLDFAST_STEP_FAILED`. */
export class StepFailed extends HoldfastError {
  /** How the program ended, if it ran at all. */
  readonly exit: Exit | undefined

  constructor(message: string, { exit, ...options }: ErrorOptions & { exit?: Exit }) {
    super('HOLDFAST_STEP_FAILED', message, options)
    this.exit = exit
  }
}

type Copy = Extract<Step, { copy: unknown }>['copy']
type Follow = Extract<Step, { follow: unknown }>['follow']
type Secret = Extract<Step, { secret: unknown }>['secret']

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
  if ('run' in step) await runCommand(work, step.run, step.setting)
  else if ('call' in step) await expectedCall(work, step.call)
  else if ('receive' in step) await receive(work, step.receive, path, again)
  else if ('follow' in step) await followFolder(work, step.follow, again)
  else if ('enrol' in step) await enrol(work, step.enrol, path)
  else if ('secret' in step) await makeSecret(work, step.secret)
  else if ('fetch' in step) await fetchFile(work, step.fetch)
  else if ('copy' in step) await copyFile(work, step.copy)
  else if ('write' in step) await renderFile(work, step.write)
  else await Promise.all(step.parallel.map((lane, index) => runSteps(work, lane, [...path, index])))
}

async function runCommand(work: UnitAtWork, command: Command, setting?: string): Promise<void> {
  const place = setting === undefined ? `${work.ref}:` : `${work.ref}: ${setting}`
  const timeout = ONE_STEP_MS * (work.settings.slowness ?? 1)
  const options = { timeout, killSignal: 'SIGKILL', signal: work.signal } as const
  const refused = (why: string, cause: ErrorOptions) => new StepFailed(`${place} ${why}`, cause)
  // Hundreds who are called by nobody may have one each.
  const done = isCalled(work) ? () => {} : await startTurn()
  try {
    const { tree, program } = await startProgram(work, command, refused, options)
    const exit = await tree.ended
    if (exit.code === 0) return
    throw new StepFailed(`${place} ${program} ${howEnded(exit)}; its last lines are in the log of the unit`, { exit })
  } finally {
    done()
  }
}

/** Renders a file of the unit: templates filled, `@{json:FILE}` replaced by what an earlier step made. */
export async function renderFile(context: UnitContext, planned: PlanFile): Promise<void> {
  const { path, text, json, from, mode = '0600' } = planned
  const file = fill(path, context, `${context.ref}: path of a file`)
  if (from !== undefined) return writeFor(context, file, await filledIn(context, from), { mode })
  const included = new Map<string, unknown>()
  for (const name of includedFiles(json)) {
    const content = (await readDeclared(context, join(context.unitDir, name))).toString()
    included.set(name, content.startsWith('-----BEGIN') ? certificateKeySet(content) : JSON.parse(content))
  }
  const filled = fillJson(json, context, file, (name) => included.get(name))
  const content =
    text === undefined ? `${JSON.stringify(filled, null, 2)}\n` : await filledText(context, text, file, mode)
  await writeFor(context, file, content, { mode })
}

/** What it takes from other files may be secret, and whoever brought it here has told so. */
async function filledText(context: UnitContext, text: string, file: string, mode: string): Promise<string> {
  const contents = new Map<string, string>()
  for (const name of new Set(contentsIn(text))) {
    if ((Number.parseInt(mode, 8) & 0o077) !== 0) {
      throw new HoldfastError(
        'HOLDFAST_CONTENT_OPEN',
        `${file}: the content of ${name} would be read by others, since the file has mode ${mode}; leave that out`,
      )
    }
    contents.set(name, (await contentOf(context, name, file)).content)
  }
  return fill(text, { ...context, contents }, file)
}

/** A file of the user's, with what its placeholders stand for. */
async function filledIn(context: UnitContext, { path, values }: NonNullable<PlanFile['from']>): Promise<string> {
  const file = fill(path, context, `${context.ref}: path of a file`)
  const text = await readFile(file, 'utf8')
  return text.replaceAll(/@\{([^}]*)\}/g, (whole, name: string) => {
    const value = values[name]
    if (value !== undefined) return fill(value, context, file)
    const known = Object.keys(values).map((one) => `@{${one}}`)
    throw new HoldfastError(
      'HOLDFAST_TEMPLATE_UNKNOWN',
      `${file}: ${whole} stands for nothing; there are ${known.join(', ')}`,
    )
  })
}

function includedFiles(json: unknown): string[] {
  return [...(JSON.stringify(json) ?? '').matchAll(/"@\{json:([^}"]+)\}"/g)].map((match) => match[1] as string)
}

async function fetchFile(context: UnitContext, { url, discover, ca, add, to }: Fetch): Promise<void> {
  const place = `${context.ref}: fetch`
  const call: HttpCall = { method: 'GET', url, discover, tls: { ca }, expect: [200] }
  const { text } = await expectedCall(context, call, place).catch((cause) => {
    if (cause instanceof HoldfastError) throw cause
    const message = `${context.ref}: ${url} cannot be asked; is it up, and does its certificate lead to ${ca === systemRoots ? 'a root that this machine trusts' : fill(ca, context, place)}?`
    throw new HoldfastError('HOLDFAST_FETCH_FAILED', message, { cause })
  })
  const added = add && (await readDeclared(context, fill(add, context, place)))
  const keys = added && JSON.stringify({ keys: [...(JSON.parse(text) as Keys).keys, JSON.parse(added.toString())] })
  await writeFor(context, fill(to.path, context, place), keys ?? text, { mode: to.mode })
}

interface Keys {
  keys: readonly unknown[]
}

async function copyFile(context: UnitContext, copy: Copy): Promise<void> {
  const { from, to } = fillJson(copy, context, `${context.ref}: copy`)
  const content = from === systemRoots ? await rootsAt(from) : await readDeclared(context, from)
  await writeFor(context, to.path, content, to)
}

/** It begins before the programs run for the first time, so that none of them misses what changes meanwhile. */
async function followFolder(context: UnitContext, { folder }: Follow, again: () => Promise<void>): Promise<void> {
  const path = fill(folder, context, `${context.ref}: follow`)
  const { followFiles } = await import('./follow.ts')
  await followFiles(path, again, told(context, `${context.ref} after ${path} changed`))
}

async function makeSecret(context: UnitContext, { path, bytes, as = 'hex' }: Secret): Promise<void> {
  const file = fill(path, context, `${context.ref}: secret`)
  const found = await readFile(file, 'utf8').catch(() => '')
  const text = found || randomBytes(bytes).toString(as)
  context.learn(text, { mode: '0600' })
  if (found === '') await writeFor(context, file, text, { mode: '0600' })
}

async function enrol(context: UnitContext, step: Enrol, path: StepPath): Promise<void> {
  const { credential, ca: from, url, lifetimeSeconds, owner } = step
  const place = `${context.ref}: enrol`
  const [{ csrPem, keyPem, x5rt }, { signAtCa }] = await Promise.all([
    context.ahead.takeRequest(step),
    import('./enrol.ts'),
  ])
  const ott = await context.serve(from, { kind: 'one-time-token', unit: context.ref, step: path, x5rt })
  const resolveTo = wayTo(context, url)?.address
  const anchorPem = await readFile(fill(step.anchor, context, place), 'utf8')
  const { certPem } = await signAtCa({ url, resolveTo, anchorPem, csrPem, ott, lifetimeSeconds })
  const dir = fill(step.dir, context, place)
  // The key first: whoever watches for the certificate finds its key.
  context.learn(keyPem, { mode: '0600' })
  await writeFor(context, join(dir, 'key.pem'), keyPem, { mode: '0600', owner })
  await writeFor(context, join(dir, 'cert.pem'), certPem, { mode: '0600', owner })
  context.emit({ event: 'handover', unit: context.unit.name, credential, from })
}
