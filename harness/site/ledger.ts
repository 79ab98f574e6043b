import { AsyncLocalStorage } from 'node:async_hooks'
import type { PartName } from '../credentials/parts.ts'
import { HoldfastError } from '../errors.ts'
import { acceptanceProblems } from './judge.ts'
import { markJudged } from './judging.ts'
import type { Control, Verdict } from './verdict.ts'

/** The elements of a call that an attack can change. Texts of secrets stay in memory: nothing of this is written anywhere. */
export interface CallShape {
  readonly from: string
  readonly to: string
  readonly action: string
  /** What is presented, by part: texts that are the same for the same thing. */
  readonly parts: Readonly<Partial<Record<PartName, string>>>
  /** Whether its parts belong together: there is no token, or one that is bound to this very certificate. */
  readonly bound: boolean
  readonly listener: string
  readonly elements: Readonly<Record<string, string>>
}

/** All calls of one test, oldest first: where a refusal finds its positive control, and failures their evidence. */
export type Ledger = { readonly shape: CallShape; readonly verdict: Verdict }[]

/** The newest accepted call of a test that differs from `shape` in one element at most. */
export function controlIn(ledger: Ledger, shape: CallShape): Control | undefined {
  for (const { shape: other, verdict } of ledger.toReversed()) {
    const [element, ...more] = differing(shape, other)
    if (more.length > 0 || verdict.verdict !== 'accepted') continue
    // The very same call was accepted before: what was attacked since is the state of the site.
    return controlFrom(verdict, element ?? 'state')
  }
  return undefined
}

const beside = new AsyncLocalStorage<true>()

/** Makes an accepted call for refusals that are held against it. */
export function besideRefusals<T>(call: () => Promise<T>): Promise<T> {
  return beside.run(true, call)
}

/** Whether whoever asks was called so. */
export function isBesideRefusals(): boolean {
  return beside.getStore() === true
}

export function controlFrom(verdict: Verdict, element: string): Control {
  const problems = acceptanceProblems(verdict)
  return { accepted: problems.length === 0, element, credential: verdict.credential.label, problems, call: verdict }
}

const replacedText = 'another process is in its place'

/** How many refusals are held against one accepted call before it is made again. */
const refusalsAtMost = 10

/** A call that refusals of several tests were held against is not accepted any more. Code `HOLDFAST_CONTROL_LOST`. */
class ControlLost extends HoldfastError {
  constructor({ from, to, action, credential }: Verdict, refusals: number, problems: readonly string[]) {
    super(
      'HOLDFAST_CONTROL_LOST',
      `${from} -> ${to} ${action} with ${credential.label} was accepted before ${refusals} refusals, and is not after them: ${problems.join('; ')}; so they prove nothing`,
    )
  }
}

/** An accepted call, and how a test makes the same one again. */
interface SharedControl<Site> {
  /** Absent where whoever shares it asks by name. */
  readonly shape?: CallShape
  readonly again: (site: Site) => Promise<Verdict>
  /** That accepted it. */
  readonly process: number | undefined
  /** That is in its place now. */
  readonly processNow: (site: Site) => number | undefined
  verdict: Verdict
  refusals: number
}

/**
 * Accepted calls that refusals of several tests are held against, as long as the target is the same process: one before and one after
 * at most ten of them. The one after is the one before the next ten.
 */
export class SharedControls<Site> {
  readonly #controls = new Map<string, SharedControl<Site>>()
  /** Made once more before the end of all, since a process was about to end. */
  #closedBefore = 0

  /** The newest one that differs from `shape` in one element, for one refusal more. */
  async controlOf(shape: CallShape, process: number | undefined, site: Site): Promise<Control | undefined> {
    for (const [name, { shape: other }] of [...this.#controls].toReversed()) {
      const [element, ...more] = other === undefined ? [] : differing(shape, other)
      if (element === undefined || more.length > 0) continue
      const verdict = await this.take(name, process, site)
      return verdict && controlFrom(verdict, element)
    }
    return undefined
  }

  /** The call of this name, for one refusal more; undefined where this process has not accepted it. @throws ControlLost */
  async take(name: string, process: number | undefined, site: Site): Promise<Verdict | undefined> {
    const control = this.#controls.get(name)
    if (control === undefined || control.process !== process) return undefined
    if (control.refusals >= refusalsAtMost) await this.#close(control, site)
    control.refusals += 1
    return control.verdict
  }

  /** A call that was just accepted, before so many refusals. @throws ControlLost where another process accepted the one of this name */
  add(name: string, control: SharedControl<Site>): void {
    const replaced = this.#controls.get(name)
    this.#controls.set(name, control)
    if (replaced === undefined || replaced.refusals === 0 || replaced.process === control.process) return
    throw new ControlLost(replaced.verdict, replaced.refusals, [replacedText])
  }

  /** Makes each of them once more: whoever refused still lets in whom it should. Answers how many there were in all. @throws ControlLost */
  async close(site: Site): Promise<number> {
    const all = this.#closedBefore + (await this.#closeAll([...this.#controls.keys()], site))
    this.#closedBefore = 0
    return all
  }

  /** The same of those that a process accepted, for one that is about to end: the next in its place cannot speak for it. @throws ControlLost */
  async closeOf(process: number, site: Site): Promise<void> {
    const its = [...this.#controls].filter(([, control]) => control.process === process).map(([name]) => name)
    this.#closedBefore += await this.#closeAll(its, site)
  }

  async #closeAll(names: readonly string[], site: Site): Promise<number> {
    const all = names.map((name) => this.#controls.get(name)!)
    for (const name of names) this.#controls.delete(name)
    const open = all.filter(({ refusals }) => refusals > 0)
    for (const control of open) await this.#close(control, site)
    return open.length
  }

  async #close(control: SharedControl<Site>, site: Site): Promise<void> {
    const { refusals } = control
    // First, for the call itself may be held against another one that is due, and that one against this.
    control.refusals = 0
    const before = control.verdict
    const isReplaced = () => control.processNow(site) !== control.process
    // What another process does says nothing of the one that refused.
    if (isReplaced()) throw new ControlLost(before, refusals, [replacedText])
    control.verdict = await besideRefusals(() => control.again(site))
    const problems = [...acceptanceProblems(control.verdict), ...(isReplaced() ? [replacedText] : [])]
    markJudged(control.verdict, { expected: 'accepted still', problems })
    if (problems.length > 0) throw new ControlLost(control.verdict, refusals, problems)
  }
}

function differing(one: CallShape, other: CallShape): string[] {
  if (one.from !== other.from || one.to !== other.to || one.action !== other.action) return ['caller', 'target']
  const parts = differingIn(one.parts, other.parts)
  const elements = [
    ...(one.listener === other.listener ? [] : ['listener']),
    ...differingIn(one.elements, other.elements),
  ]
  // Parts that belong together are one thing: somebody else's whole credential.
  const isWhole = parts.length > 1 && elements.length === 0 && one.bound && other.bound
  return isWhole ? ['credential'] : [...parts, ...elements]
}

function differingIn(one: Readonly<Record<string, string | undefined>>, other: typeof one): string[] {
  return Object.keys({ ...one, ...other }).filter((name) => one[name] !== other[name])
}
