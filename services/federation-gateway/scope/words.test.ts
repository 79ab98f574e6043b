import { expect, test } from 'vitest'
import { readScope } from './document.ts'
import type { Rights } from './predicate.ts'
import { effectiveScope } from './words.ts'

const [T1, T2] = ['11111111-9c0b-4ef8-bb6d-6bb9bd380a11', '22222222-9c0b-4ef8-bb6d-6bb9bd380a11'] as const
const names = { subject: 'alice', teams: new Map([[T1, 'T1']]) }
const alice: Rights = {
  tenantId: 't',
  userId: 'u',
  teams: [
    { id: T1, role: 'member' },
    { id: T2, role: 'maintainer' },
  ],
  deniedResources: [],
  sharePersonal: true,
}
const told = (document: object, rights: Partial<Rights> = {}) =>
  effectiveScope(readScope(document).scope!, { ...alice, ...rights }, names)

test.each<[object, Partial<Rights>, string]>([
  [
    { resources: ['tasks'], filters: { tasks: { include_teams: [T1] } } },
    {},
    'alice: own tasks, tasks of team T1; at most 100 rows',
  ],
  [{ resources: ['tasks'], filters: { tasks: { include_teams: [] } } }, {}, 'alice: own tasks; at most 100 rows'],
  [{ resources: ['notes'], max_rows_per_query: 1 }, {}, `alice: own notes, notes of teams ${T2} and T1; at most 1 row`],
  [{ resources: ['notes'] }, { sharePersonal: false, teams: [] }, 'alice: nothing; at most 100 rows'],
  [{ resources: ['credentials'] }, {}, `alice: own credentials, credentials of team ${T2}; at most 100 rows`],
  [{ resources: ['credentials'], excluded_resources: ['credentials'] }, {}, 'alice: nothing; at most 100 rows'],
  [{ resources: ['memory'] }, {}, 'alice: own memory; at most 100 rows'],
  [{ resources: ['memory'] }, { deniedResources: ['memory'] }, 'alice: nothing; at most 100 rows'],
  [
    { resources: ['memory', 'teams'], filters: { memory: { include_personal: false } } },
    { teams: alice.teams.slice(0, 1) },
    'alice: team T1; at most 100 rows',
  ],
  [
    { resources: ['users'], filters: { users: { include_teams: [T1] } } },
    {},
    'alice: alice, members of team T1; at most 100 rows',
  ],
])('%j of %j', (document, rights, text) => {
  expect(told(document, rights)).toBe(text)
})
