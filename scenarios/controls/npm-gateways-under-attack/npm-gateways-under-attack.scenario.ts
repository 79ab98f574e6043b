import { attacks } from 'holdfast/vitest'
import { bindingCases, cases, chainCases, comparingCases } from '../cases.ts'
import { npmAttacks } from '../differences.ts'

await attacks('../../../fixtures/controls/npm.json', {
  targets: ['express', 'express-anybody', 'express-unset', 'express-nearly', 'https-unverified'],
  cases: [...new Set([...cases, ...bindingCases])],
  only: {
    ...{ 'express-anybody': chainCases, 'express-unset': bindingCases },
    ...{ 'express-nearly': comparingCases, 'https-unverified': chainCases },
  },
  differs: npmAttacks,
  full: true,
})
