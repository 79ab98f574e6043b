import { attacks } from 'holdfast/vitest'
import { bindingCases } from '../cases.ts'
import { wrongNpmAttacks } from '../differences.ts'

await attacks('../../../fixtures/controls/npm.json', {
  targets: ['express-unset', 'https-unverified'],
  cases: bindingCases,
  differs: wrongNpmAttacks,
  full: true,
})
