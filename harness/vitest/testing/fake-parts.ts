import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend } from '../../backends/backend.ts'
import { callParts } from '../../shipped.ts'
import { type FakeSite, fakeSite } from '../../site/testing/fake-site.ts'

declare module 'vitest' {
  interface ProvidedContext {
    evidence: string
  }
}

/** Parts of a scenario that has a fake site; `launches`, in its evidence, tells when that comes and goes. */
export async function fakeParts(evidence: string) {
  let fake: FakeSite
  const tell = (line: string) => appendFileSync(join(evidence, 'launches'), `${line}\n`)
  const launch = async () => {
    tell('launch')
    fake = await fakeSite(evidence)
    const release = async () => {
      tell('release')
      await fake.close()
    }
    return Object.assign(fake.site, { [Symbol.asyncDispose]: release })
  }
  const backend: Backend = {
    ...{ name: 'process', capabilities: {}, unavailable: async () => undefined, launch },
    ...{ sweep: async () => 0, readLeft: async () => '' },
  }
  const parts = { backend, ...(await callParts()), keep: false, plan: async () => fake?.site.plan }
  return { parts, tell, right: () => fake.right(), authority: () => fake.authority }
}
