import { attacks } from 'holdfast/vitest'
import { bindingCases } from '../cases.ts'
import { wrongDebianAttacks } from '../differences.ts'

await attacks('../../../fixtures/controls/debian.json', {
  targets: ['apache-optional'],
  cases: bindingCases,
  differs: wrongDebianAttacks,
  full: true,
  programs: ['haproxy', 'apache2', 'mod_oauth2'],
})
