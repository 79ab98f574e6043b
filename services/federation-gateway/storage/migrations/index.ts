import { sql as roles } from './0001-roles.ts'
import { sql as tenants } from './0002-tenants.ts'
import { sql as rows } from './0003-rows.ts'
import { sql as grants } from './0004-grants.ts'
import { sql as certificates } from './0005-certificates.ts'
import { sql as audit } from './0006-audit.ts'

export interface Migration {
  readonly name: string
  readonly sql: string
}

/** In their order. One that was ever released is not changed any more: databases know its checksum. */
export const MIGRATIONS: readonly Migration[] = [
  { name: '0001-roles', sql: roles },
  { name: '0002-tenants', sql: tenants },
  { name: '0003-rows', sql: rows },
  { name: '0004-grants', sql: grants },
  { name: '0005-certificates', sql: certificates },
  { name: '0006-audit', sql: audit },
]
