import { attacks } from 'holdfast/vitest'
import { tokenCases } from '../cases.ts'
import { mintAttacks } from '../differences.ts'

await attacks('../tokens-of-another-mint-are-judged-alike/another-mint.ts', {
  targets: ['node-b peering:connect'],
  cases: tokenCases,
  differs: mintAttacks,
})
