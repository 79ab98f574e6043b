import { attacks, matrix } from 'holdfast/vitest'
import { audienceCases, bindingCases, cases } from './cases.ts'
import { javaAttacks, javaCells } from './differences.ts'
import { built } from './stacks.ts'

// A JVM takes seconds to start, and its build minutes the first time: too much for every run.
const topology = '../../fixtures/controls/java.json'
const nodes = ['java', 'java-cnf-if-there', 'java-any-audience']
// In these the catalogue demands of everybody what standards leave open: a leeway, two claims of one name, an empty `crit`, other challenges.
const open = ['GEN-12', 'GEN-17', 'GEN-20', 'GEN-24', 'PEER-30']
const stack = await built('java', nodes)

await matrix(topology, { ...stack, differs: javaCells, full: false })
await attacks(topology, {
  ...stack,
  targets: nodes,
  only: {
    java: cases.filter((id) => !open.includes(id)),
    'java-cnf-if-there': bindingCases,
    'java-any-audience': audienceCases,
  },
  differs: javaAttacks,
  full: true,
})
