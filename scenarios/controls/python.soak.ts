import { attacks, matrix } from 'holdfast/vitest'
import { bindingCases, comparingCases, typeCases } from './cases.ts'
import { pythonAttacks, pythonCells } from './differences.ts'
import { built } from './stacks.ts'

// What the scenario on gateways in Go claims of a second stack, by its second set of known differences.
const topology = '../../fixtures/controls/python.json'
const nodes = ['python', 'python-cnf-if-there', 'python-any-type', 'python-thumbprint-prefix']
const stack = await built('python', nodes)

await matrix(topology, { ...stack, differs: pythonCells, full: false })
await attacks(topology, {
  ...stack,
  targets: nodes,
  only: {
    'python-cnf-if-there': bindingCases,
    'python-any-type': typeCases,
    'python-thumbprint-prefix': comparingCases,
  },
  differs: pythonAttacks,
  full: true,
})
