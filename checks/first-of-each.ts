import { readFileSync } from 'node:fs'
import { type RunnerTestCase, TestRunner } from 'vitest'

/** Attacks on connections: what is said below HTTP, and how requests stand on the wire. */
const ON_CONNECTIONS = /^TLS-(1[346-8]|19|2[0-6]) /
/** Files whose tests are derived from a topology: of attacks those on connections, of a matrix none. */
const DERIVED = /-(withstands|refuses|holds|believes)-/

/** What a seat is asked for but to connect once, call and hang up: that is tried by all of the others and by the conformance suite. */
const MORE_THAN_CALLS =
  /\bsite\.(open|ended|clock|tap|crowd|partition|keptOperator|listenAs\w+|standInForIssuer|linkBetween)\(|\$`/

/**
 * Runs the first test of each claim that asks more of a seat than calls, and all attacks on connections. What it leaves out is none of
 * the tests of its run.
 */
export default class FirstOfEach extends TestRunner {
  readonly #begun = new Set<string>()

  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    await super.onBeforeRunTask(test)
    if (this.#isChosen(test)) return
    test.mode = 'skip'
    test.meta.leftOut = true
  }

  #isChosen({ file, name }: RunnerTestCase): boolean {
    if (DERIVED.test(file.name)) return ON_CONNECTIONS.test(name)
    if (this.#begun.has(file.id)) return false
    this.#begun.add(file.id)
    return MORE_THAN_CALLS.test(readFileSync(file.filepath, 'utf8'))
  }
}

declare module 'vitest' {
  interface TaskMeta {
    /** Not chosen for this run, whose other tests are run elsewhere. */
    leftOut?: true
  }
}
