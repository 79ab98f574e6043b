import { matrix } from 'holdfast/vitest'
import { debianCells } from '../differences.ts'

// One of each class: what is known is known by the name of its cell.
await matrix('../../../fixtures/controls/debian.json', {
  differs: debianCells,
  full: false,
  programs: ['haproxy', 'apache2', 'mod_oauth2'],
})
