import { attacks, matrix } from 'holdfast/vitest'
import { tokenCases } from '../cases.ts'

const topology = '../../../fixtures/controls/issuer/asked.json'
/** The gateway that is wrong on purpose. */
const unbound = {
  comes: 'accepted',
  against: 'RFC 8705 section 3.2: the certificate is that of cnf in the answer',
} as const

await matrix(topology, {
  full: false,
  differs: { 'unbound orders:read': { 'shop-at-unbound, over cert-idp': unbound } },
})
await attacks(topology, { targets: ['gateway'], cases: tokenCases })
