import { attacks, matrix } from 'holdfast/vitest'
import { chainCases, endCases } from '../cases.ts'
import { nginxAttacks, nginxCells } from '../differences.ts'

const topology = '../../../fixtures/controls/nginx.json'
const programs = ['nginx', 'nginx-njs'] as const

await matrix(topology, { programs, differs: nginxCells, full: false })
await attacks(topology, {
  programs,
  targets: ['nginx', 'nginx-any-certificate', 'nginx-endless'],
  only: { 'nginx-any-certificate': chainCases, 'nginx-endless': endCases },
  differs: nginxAttacks,
  full: true,
})
