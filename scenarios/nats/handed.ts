import { credentialOf, expect, forgedCreds, inspectCreds, type ScenarioSite } from 'holdfast/vitest'
import { keep, put, putJson, run } from './files.ts'
import { folderOf, handedOver, type Manifest, manifestIn, places } from './verification.ts'

// What lies in the hand-over folder of the orchestrator, as others than its maker would leave it there.

const manifest = `${places.arrived}/manifest.json`
export const worker = `${places.arrived}/orchestrator_auth.creds`
export const admin = `${places.arrived}/admin_user.creds`

/** Changes the manifest, or what says which set is installed; whoever follows the folder sees that. */
export function inManifest(site: ScenarioSite, change: (json: Manifest) => unknown, path = manifest): Promise<void> {
  return putJson<Manifest>(site, 'orchestrator', path, change)
}

/** Writes another text into a file of the set, and has the manifest say that this is the one: both at once, for whoever looks. */
export async function handOver(site: ScenarioSite, path: string, text: string, manifestPath = manifest): Promise<void> {
  await put(site, 'orchestrator', 'kept/other.creds', text)
  const [entry] = (await folderOf(site, 'orchestrator', 'kept', ['other.creds'])).files
  const key = await inspectCreds(text).then(
    ({ subject }) => subject,
    () => undefined,
  )
  const json = await manifestIn(site, 'orchestrator', manifestPath)
  const own = json.files.find((file) => path.endsWith(`/${file.name}`))!
  Object.assign(own, { sha256: entry!.sha256, size: entry!.size })
  if (key !== undefined) Object.assign(own.user, { key })
  await put(site, 'orchestrator', 'kept/other.json', JSON.stringify(json))
  const both = 'cat kept/other.creds > "$0"; cat kept/other.json > "$1"'
  await run(site, 'orchestrator', 'sh', '-c', both, path, manifestPath)
}

/** Credentials of the worker that somebody else made, with the keys of nsc. */
export function forged(site: ScenarioSite, how: Parameters<typeof forgedCreds>[2]): Promise<string> {
  return forgedCreds(site.credentials.at, credentialOf(site.plan, 'nats-creds', 'creds-orchestrator'), how)
}

/** The intake refuses what was changed, for this reason, and what is installed stays; put back, the set is good to it again. */
export async function demandRefused(
  site: ScenarioSite,
  [guard, reason]: readonly [guard: string, reason: string],
  change: () => Promise<unknown>,
): Promise<void> {
  const undo = await keep(site, 'orchestrator', manifest, ...handedOver.map((name) => `${places.arrived}/${name}`))
  const tap = await site.tap('orchestrator')
  const more = await change()
  try {
    const before = await folderOf(site, 'orchestrator', places.installed)
    const refused = async () => {
      const all = await tap.decisions({ unit: 'creds-intake' })
      return all.some((record) => record.guard === guard && record.reason === reason) && all
    }
    // Files of a folder are followed, and not what the folder itself is like: so one of them has to be another.
    await run(site, 'orchestrator', 'touch', '--no-create', manifest)
    const records = await site.until(`the intake refuses for ${reason}`, refused, { withinMs: 10_000 })
    for (const record of records)
      expect(record).toMatchObject({ verdict: 'refused', layer: 'start-up', action: 'start' })
    expect(await folderOf(site, 'orchestrator', places.installed)).toEqual(before)
  } finally {
    if (typeof more === 'function') await more()
    await undo()
  }
  await taken(site)
}

/** Some other letter of base32. */
export function otherLetter(letter: string): string {
  return letter === 'A' ? 'B' : 'A'
}

/** The intake finds the set good, whether or not it is the one that is installed. */
export async function taken(site: ScenarioSite): Promise<void> {
  const { logs } = await site.tap('orchestrator')
  await run(site, 'orchestrator', 'touch', manifest)
  const isTaken = () => logs().some((line) => line.includes('"installed"') || line.includes('"unchanged"'))
  await site.until('the intake takes the set', isTaken, { withinMs: 10_000 })
}
