import { attacks, matrix } from 'holdfast/vitest'
import { claimCases, signatureCases } from '../cases.ts'
import { fastifyAttacks, fastifyCells } from '../differences.ts'
import { built } from '../stacks.ts'

const topology = '../../../fixtures/controls/fastify.json'
const nodes = ['fastify', 'fastify-claims-if-there', 'fastify-decoded']
const stack = await built('fastify', nodes)

await matrix(topology, { ...stack, differs: fastifyCells, full: false })
await attacks(topology, {
  ...stack,
  targets: nodes,
  only: { 'fastify-claims-if-there': claimCases, 'fastify-decoded': signatureCases },
  differs: fastifyAttacks,
  full: true,
})
