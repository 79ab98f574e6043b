import type { UnitContext } from '../topology/kind.ts'
import type { Step, Template, UnitRef } from '../topology/plan.ts'
import { insiderOf } from './insider-of.ts'

/** What a unit needs to use the database of another node. */
export interface UsedDatabase {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly owner: string
  /** Its own copy of the owner's password, 0600. */
  readonly passwordFile: Template
  /** Roots that the server's certificate leads to. Absent: it has none. */
  readonly ca?: Template
  /** What brings the password there. */
  readonly steps: readonly Step[]
  /** Once this is ready, so is the database. */
  readonly after: readonly UnitRef[]
}

/** The database of a node, for a unit of another that uses it: its password is handed over, and stands in no plan. */
export function databaseFor(unit: UnitContext<unknown>, node: string): UsedDatabase {
  const stores = insiderOf(unit, node, 'stores')
  // Says what is wrong where there is none, or where none of its networks leads there.
  const at = new URL(unit.url(node, stores?.listener ?? 'postgres', 'tls'))
  const passwordFile: Template = '@{unit}/database/password'
  const { host = at.hostname, database = node, owner = database, password = passwordFile, tls, ca } = stores ?? {}
  return {
    ...{ host, port: Number(at.port), database, owner, passwordFile },
    ...(tls && { ca: ca ?? unit.anchor(unit.topology.nodes[node]!.domain) }),
    steps: [{ receive: { from: node, source: { file: password }, to: { path: passwordFile, mode: '0600' } } }],
    after: stores === undefined ? [] : [`${node}/${stores.unit}`],
  }
}
