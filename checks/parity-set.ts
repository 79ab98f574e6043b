import { readFileSync } from 'node:fs'
import { type RunnerTestCase, TestRunner } from 'vitest'

/** Attacks on connections: what is said below HTTP, and how requests stand on the wire. */
const ON_CONNECTIONS = /^TLS-(1[346-8]|19|2[0-6]) /

/**
 * Runs what may come out otherwise where nodes run elsewhere: all cells of a matrix, the attacks on connections, and of every other claim
 * its first test. What it leaves out (how a token is forged, say) does not depend on the ground; it is none of the tests of its run.
 */
export default class ParitySet extends TestRunner {
  readonly #begun = new Set<string>()

  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    await super.onBeforeRunTask(test)
    if (this.#isChosen(test)) return
    test.mode = 'skip'
    test.meta.leftOut = true
  }

  #isChosen({ file, name }: RunnerTestCase): boolean {
    const source = readFileSync(file.filepath, 'utf8')
    if (/^await matrix\(/m.test(source)) return true
    if (/^await attacks\(/m.test(source)) return ON_CONNECTIONS.test(name)
    const isFirst = !this.#begun.has(file.id)
    this.#begun.add(file.id)
    return isFirst
  }
}

declare module 'vitest' {
  interface TaskMeta {
    /** Not chosen for this run, whose other tests are run elsewhere. */
    leftOut?: true
  }
}
