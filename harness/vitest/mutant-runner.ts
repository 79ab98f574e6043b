import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CancelReason, type RunnerTestCase, TestRunner, type TestTryOptions } from 'vitest'
import { settings } from '../settings.ts'
import { forgetMutatedSite, type MutatedSite, mutatedSite, type Seen } from '../site/mutated-site.ts'

/** What a run of mutants is told by `mutants.json` in its folder. */
export interface MutantOrder {
  /** A test that takes longer without a mutant is left to another run. */
  readonly longestMs: number
  /** A mutant that so many tests held with is left to a later run, so that one run comes to all of them. */
  readonly mostTries: number
  /** So many trials were there before this order. */
  readonly before: number
  /** Numbers are those of the run, over all services. */
  readonly mutants: readonly {
    readonly number: number
    readonly guards: readonly string[]
    /** Tests that held with it in an earlier run, and need not be tried again. */
    readonly held: readonly string[]
  }[]
}

/** A line of `outcomes.jsonl` there: one mutant under one test. */
export interface MutantTrial {
  readonly number: number
  /** `red`: the test failed without any mutant (number 0), or could not be run twice, so it shows nothing. */
  readonly outcome: 'killed' | 'passed' | 'red'
  readonly test: string
  /** It was killed by nothing but the time that the test took. */
  readonly isLate?: boolean
  readonly why?: string
}

type Mutant = MutantOrder['mutants'][number]
type Step = { is: 'first' | 'plain' | 'again' } | { is: 'mutant' | 'control'; mutant: Mutant }

/** Of the tests of a claim that come to a mutant without provoking a guard of it, so many try it: it may refuse too much. */
const besidesItsGuards = 3
/** Sites of one file: each takes seconds to come up. */
const mostRenewals = 60

/**
 * Runs every test without a mutant first, twice where there is one to try, and then once with each that it covers: it came to the
 * changed expression, and provoked a refusal of a guard that leads there. A mutant under which it fails is killed. After each kill it runs without one again,
 * so that the next is tried on a site that is in order; a site that is not is given up for a new one.
 */
export default class MutantRunner extends TestRunner {
  readonly #folder = settings().mutants ?? '.'
  readonly #order = JSON.parse(readFileSync(join(this.#folder, 'mutants.json'), 'utf8')) as MutantOrder
  readonly #givenUp = new Set<string>()
  #file = ''
  #hadSite = false
  #step: Step = { is: 'first' }
  #waiting: Mutant[] = []
  #isEnded = false
  /** Units that a test stops without any mutant. */
  #gone: ReadonlySet<string> = new Set()
  #renewals = 0
  /** Something was tried on the site of this file. */
  #wasTried = false
  /** Nothing was tried since the test held without a mutant. */
  #isInOrder = false

  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    await super.onBeforeRunTask(test)
    if (this.#file !== test.file.id) {
      forgetMutatedSite()
      this.#wasTried = false
      this.#renewals = 0
    }
    this.#file = test.file.id
    this.#step = { is: 'first' }
    if (this.#givenUp.has(test.file.id) || this.#alive().length === 0) test.mode = 'skip'
    // It goes on for as long as it has something to try, and then skips the rest.
    else test.repeats = Number.MAX_SAFE_INTEGER
  }

  override cancel(reason: CancelReason): void {
    super.cancel(reason)
    this.#isEnded = true
  }

  override async onBeforeTryTask(test: RunnerTestCase, options?: TestTryOptions): Promise<void> {
    super.onBeforeTryTask(test, options as TestTryOptions)
    test.meta.calls = []
    // A unit that does not answer was stopped by the test before, or by a mutant.
    const next = await this.#next(test).catch((failure: Error) => {
      const step = this.#step
      // It answered when the mutant was switched on, and twice without it: it has ended, or hangs, with it.
      if (step.is === 'mutant') this.#kill(test, step.mutant, failure.message)
      else this.#tell({ number: 0, outcome: 'red', test: nameOf(test), why: failure.message })
      return this.#renew(test)
    })
    if (!next) test.context.skip('nothing more to try')
    else this.#step = next
  }

  /** What comes next of a test, switched on; undefined when there is nothing more to try. @throws MutantUnanswered */
  async #next(test: RunnerTestCase): Promise<Step | undefined> {
    const site = mutatedSite()
    const step = this.#step
    if (step.is === 'first') {
      this.#hadSite = site !== undefined
      await site?.switchTo(0)
      return { is: 'plain' }
    }
    const last = test.result?.attempts?.at(-1)
    const isGreen = last?.state === 'pass'
    if (site === undefined || last === undefined || this.#isEnded) return undefined
    if (step.is === 'mutant') {
      if (!isGreen) return this.#failed(test, site, step.mutant)
      this.#isInOrder = false
      this.#tell({ number: step.mutant.number, outcome: 'passed', test: nameOf(test) })
      return this.#another(site)
    }
    if (!isGreen) {
      // Without a mutant, too: one before has changed the site for good, even if a test held with it.
      if (step.is === 'control' || (step.is === 'plain' && this.#wasTried)) return this.#anew(test)
      this.#tell({
        ...{ number: 0, outcome: 'red', test: nameOf(test) },
        why: step.is === 'again' ? 'does not repeat' : whyOf(test),
      })
      // The first time it held: the next test shall not suffer for what this one leaves behind.
      return step.is === 'again' ? this.#renew(test) : undefined
    }
    if (step.is === 'control' && !this.#isInOrder) this.#kill(test, step.mutant)
    this.#isInOrder = true
    return step.is === 'plain' ? this.#seen(test, site) : this.#another(site)
  }

  async #seen(test: RunnerTestCase, site: MutatedSite): Promise<Step | undefined> {
    const seen = await site.switchTo(0)
    this.#gone = seen.gone
    // The first test of a file launches the site, which comes to much that the test does not.
    if (!this.#hadSite) {
      this.#hadSite = true
      return { is: 'plain' }
    }
    if (test.result!.attempts!.at(-1)!.duration > this.#order.longestMs) return undefined
    const trials = Map.groupBy(trialsIn(this.#folder).slice(this.#order.before), ({ number }) => number)
    const isOfClaim = (trial: MutantTrial) => trial.test.startsWith(`${claimOf(test)}: `)
    this.#waiting = this.#alive().filter((one) => {
      const own = trials.get(one.number) ?? []
      const isTried = one.held.includes(nameOf(test)) || own.some((trial) => trial.test === nameOf(test))
      return own.length < this.#order.mostTries && isCovered(one, seen, own.filter(isOfClaim).length) && !isTried
    })
    // What fails the second time without a mutant would fail with any.
    return this.#waiting.length === 0 ? undefined : { is: 'again' }
  }

  /** Nothing can be tried any more on this site: there will be a new one, unless the file had many. */
  async #renew(test: RunnerTestCase): Promise<undefined> {
    const site = mutatedSite()
    forgetMutatedSite()
    this.#wasTried = false
    this.#renewals += 1
    if (this.#renewals > mostRenewals) this.#givenUp.add(test.file.id)
    else await site?.renew()
  }

  /** The same test from its beginning, on a new site. */
  async #anew(test: RunnerTestCase): Promise<Step | undefined> {
    await this.#renew(test)
    this.#hadSite = false
    return this.#givenUp.has(test.file.id) ? undefined : { is: 'plain' }
  }

  async #failed(test: RunnerTestCase, site: MutatedSite, mutant: Mutant): Promise<Step> {
    if (this.#isInOrder) this.#kill(test, mutant)
    const { gone } = await site.switchTo(0)
    // What ended a unit that runs without it is no equal of what stands there.
    if (!this.#isInOrder && [...gone].some((unit) => !this.#gone.has(unit)))
      this.#kill(test, mutant, 'a unit ended with it')
    return { is: 'control', mutant }
  }

  async #another(site: MutatedSite): Promise<Step | undefined> {
    const dead = this.#dead()
    const mutant = this.#waiting.find(({ number }) => !dead.has(number))
    if (mutant === undefined) {
      await site.switchTo(0)
      return undefined
    }
    this.#waiting = this.#waiting.slice(this.#waiting.indexOf(mutant) + 1)
    this.#wasTried = true
    await site.switchTo(mutant.number)
    return { is: 'mutant', mutant }
  }

  #kill(test: RunnerTestCase, { number }: Mutant, why = whyOf(test)): void {
    const isLate = /^Test timed out in /.test(why)
    this.#tell({ number, outcome: 'killed', test: nameOf(test), why, ...(isLate && { isLate }) })
  }

  #tell(trial: MutantTrial): void {
    appendFileSync(join(this.#folder, 'outcomes.jsonl'), `${JSON.stringify(trial)}\n`)
  }

  /** Killed by now, here or by a file beside this one. */
  #dead(): Set<number> {
    const dead = trialsIn(this.#folder).filter(({ outcome }) => outcome === 'killed')
    return new Set(dead.map(({ number }) => number))
  }

  #alive(): Mutant[] {
    const dead = this.#dead()
    return this.#order.mutants.filter(({ number }) => !dead.has(number))
  }
}

/** How the last run of a test that failed did so. */
function whyOf(test: RunnerTestCase): string {
  const failed = test.result?.attempts?.findLast(({ state }) => state === 'fail')
  return failed?.errors?.[0]?.message ?? 'it ended without a verdict'
}

function isCovered({ number, guards }: Mutant, { reached, refused }: Seen, tries: number): boolean {
  if (!reached.has(number)) return false
  return guards.some((guard) => refused.has(guard)) || tries < besidesItsGuards
}

/** What was tried so far in the folder of a run of mutants. */
export function trialsIn(folder: string): MutantTrial[] {
  const file = join(folder, 'outcomes.jsonl')
  if (!existsSync(file)) return []
  // Behind the last end of a line stands what is still being written, or was when its worker died.
  const [, ...whole] = readFileSync(file, 'utf8').split('\n').reverse()
  return whole.reverse().map((line) => JSON.parse(line))
}

function nameOf(test: RunnerTestCase): string {
  return `${claimOf(test)}: ${test.name}`
}

function claimOf(test: RunnerTestCase): string {
  return test.file.filepath.split('/').at(-2)!
}
