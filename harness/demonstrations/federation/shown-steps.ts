import type { ScenarioSite } from '../../site/scenario-site.ts'
import type { Checks, Step } from '../verification.ts'
import type { Looked } from './disk.ts'
import { Federation } from './federation.ts'
import { gatewayNode } from './places.ts'

// What calls alone do not show: which rows were lent, and what is left of them where they were asked for.

export const steps: readonly Step[] = [
  { name: 'F1 within scope', on: [], check: withinScope },
  { name: 'F2 nothing kept', on: ['F1'], check: nothingKept },
]

const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).sort()

async function withinScope(checks: Checks, site: ScenarioSite): Promise<void> {
  const federation = new Federation(site)
  const seed = federation.seed('b')
  const mine = seed.visible('alice', 'tasks')
  const reply = await (await federation.asPeer('scope-a')).list('tasks')
  checks.is('ids that B lends', idsOf(reply.value.items), mine)
  const strange = seed.markersBut(mine).filter((marker) => reply.body.includes(marker))
  checks.is('rows of others in the answer', strange, [])
  const all = seed.tenants.reduce((sum, { tasks }) => sum + tasks.length, 0)
  checks.tell(`of ${all} tasks at B, A is lent the ${mine.length} that alice sees there, and no text of another row`)
}

async function nothingKept(checks: Checks, site: ScenarioSite): Promise<void> {
  const federation = new Federation(site)
  const seed = federation.seed('b')
  const alice = await federation.asUser('a', 'alice')
  const { host } = site.plan.nodes[gatewayNode('b')]!
  const reply = await alice.list('tasks', { source: `federated:${host}` })
  const lent = idsOf(reply.value.items)
  checks.is('ids that alice gets from B, asking A', lent, seed.visible('alice', 'tasks'))
  // What her question brought to A: each row carries texts that stand nowhere else.
  const markers = seed.markersOf(lent).filter((marker) => reply.body.includes(marker))
  checks.holds('no row that she got carries a marker', markers.length > 0)
  const [asking, lending] = [await federation.disk('a').find(...markers), await federation.disk('b').find(...markers)]
  checks.is('texts of those rows on the disks of A', asking.found, [])
  // Whoever finds nothing anywhere proves nothing.
  checks.is('texts of those rows on the disks of B', seenIn(lending), markers.toSorted())
  const logged = site.node(gatewayNode('a')).logs().join('\n')
  checks.is(
    'texts of those rows in the log of A',
    markers.filter((marker) => logged.includes(marker)),
    [],
  )
  checks.tell(
    `alice asks A for her tasks at B, and gets ${lent.length}. Of ${markers.length} marks that stand in these rows alone,`,
    `none is in the ${asking.files} files of A (its gateway and its database, ${Math.round(asking.bytes / 1e6)} MB) or in its log:`,
    `not as text, nor escaped, in hex, in base64 or compressed. In the files of B all of them are`,
  )
}

function seenIn({ found }: Looked): string[] {
  return [...new Set(found.map(({ needle }) => needle))].toSorted()
}
