import { attacks } from 'holdfast/vitest'
import { bindingCases, cases } from '../cases.ts'
import { debianAttacks } from '../differences.ts'

await attacks('../../../fixtures/controls/debian.json', {
  targets: ['haproxy', 'apache', 'apache-optional'],
  cases: [...new Set([...cases, ...bindingCases, 'GEN-37'])],
  only: { 'apache-optional': bindingCases },
  differs: debianAttacks,
  full: true,
  programs: ['haproxy', 'apache2', 'mod_oauth2'],
})
