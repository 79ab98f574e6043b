import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callParts } from '../../shipped.ts'
import { ScenarioSite } from '../scenario-site.ts'
import { type FakeSite, fakeKnowledge, fakeSite } from './fake-site.ts'

/** A fake site as a test of a scenario sees it, with a folder of its own for evidence. */
export interface FakeScenario extends AsyncDisposable {
  readonly folder: string
  readonly fake: FakeSite
  readonly site: ScenarioSite
}

export async function fakeScenario(again = 'holdfast test claim'): Promise<FakeScenario> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-fake-'))
  const fake = await fakeSite(folder)
  const site = new ScenarioSite(fake.site, { name: 'claim: test', again }, fakeKnowledge(), await callParts())
  const release = async () => {
    await site[Symbol.asyncDispose]()
    await fake.close()
    await rm(folder, { recursive: true })
  }
  return { folder, fake, site, [Symbol.asyncDispose]: release }
}
