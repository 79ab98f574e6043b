import { attacks } from 'holdfast/vitest'
import { cases } from '../cases.ts'
import { debianAttacks } from '../differences.ts'

await attacks('../../../fixtures/controls/debian.json', {
  targets: ['haproxy', 'apache'],
  cases,
  differs: debianAttacks,
  full: true,
  programs: ['haproxy', 'apache2', 'mod_oauth2'],
})
