import { z } from 'zod'
import { compile } from '../../../shipped.ts'
import { defineKind } from '../../../topology/kind.ts'
import { LoadedTopology } from '../../../topology/loaded-topology.ts'
import type { Plan } from '../../../topology/plan.ts'
import type { TopologyDeclaration } from '../../../topology/schema.ts'
import { databaseFor } from '../../database-files.ts'

/** Somebody who uses the database of another node: it comes to what that takes. */
const user = defineKind({
  name: 'database-user',
  summary: 'uses a database',
  settings: z.strictObject({ database: z.string() }),
  plan(unit) {
    const { steps, after, passwordFile, ...place } = databaseFor(unit, unit.settings.database)
    const file = { path: '@{unit}/place.json', json: { ...place, passwordFile } }
    return { summary: 'uses a database', files: [file], steps: [...steps], after: [...after] }
  },
})

type Settings = Readonly<Record<string, unknown>>

/** Two databases, each with one who uses it, in networks of their own; `b` is over TLS. Settings replace those of `a`. */
export function lab({
  a = { database: 'gateway' },
  b = { database: 'other', owner: 'boss', certificate: 'cert-db-b' },
} = {}) {
  const node = (name: string, networks: string[], units: object = {}) =>
    [name, { host: `${name}.lab.test`, domain: 'lab', networks, units }] as const
  const database = (settings: Settings) => ({ db: { kind: 'postgres', settings } })
  const uses = (name: string) => ({ user: { kind: 'database-user', settings: { database: name } } })
  const value = {
    name: 'two-databases',
    summary: 'Two databases, each with one who uses it.',
    trustDomains: { lab: { ca: 'ca' } },
    networks: { 'data-a': {}, 'data-b': {} },
    nodes: Object.fromEntries([
      node('ca', ['data-b', 'data-a'], { ca: { kind: 'step-ca' } }),
      node('db-a', ['data-a'], database(a)),
      node('db-b', ['data-b'], database(b)),
      node('app-a', ['data-a'], uses('db-a')),
      node('app-b', ['data-b'], uses('db-b')),
    ]),
    credentials: {
      'cert-db-b': { kind: 'certificate', issuer: 'ca', holder: 'db-b', lifetime: '10m', handover: 'enrol' },
    },
    accepts: [],
  }
  return value as unknown as TopologyDeclaration
}

export function labPlan(declared = lab()): Plan {
  return compile(new LoadedTopology('lab', declared, {}, { kinds: [user] }))
}
