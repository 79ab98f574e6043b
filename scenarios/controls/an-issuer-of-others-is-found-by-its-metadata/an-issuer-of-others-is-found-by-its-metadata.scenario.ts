import { attacks, matrix } from 'holdfast/vitest'
import { tokenCases } from '../cases.ts'

const topology = '../../../fixtures/controls/issuer/issuer.json'

await matrix(topology, { full: false })
await attacks(topology, { targets: ['gateway'], cases: tokenCases })
