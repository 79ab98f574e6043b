import { attacks, matrix } from 'holdfast/vitest'
import { audienceCases, bindingCases, chainCases, comparingCases } from '../cases.ts'
import { goAttacks, goCells } from '../differences.ts'
import { built } from '../stacks.ts'

const topology = '../../../fixtures/controls/go.json'
const nodes = ['go', 'go-any-certificate', 'go-any-audience', 'go-unbound', 'go-scope-within']
const stack = await built('go', nodes)

await matrix(topology, { ...stack, differs: goCells, full: false })
await attacks(topology, {
  ...stack,
  targets: nodes,
  only: {
    ...{ 'go-any-certificate': chainCases, 'go-any-audience': audienceCases },
    ...{ 'go-unbound': bindingCases, 'go-scope-within': comparingCases },
  },
  differs: goAttacks,
  full: true,
})
