import { attacks } from 'holdfast/vitest'
import { cases } from '../cases.ts'
import { npmAttacks } from '../differences.ts'

await attacks('../../../fixtures/controls/npm.json', {
  targets: ['express'],
  cases,
  differs: npmAttacks,
  full: true,
})
