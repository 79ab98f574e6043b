import { matrix } from 'holdfast/vitest'
import { npmCells } from '../differences.ts'

// One of each class: what is known is known by the name of its cell.
await matrix('../../../fixtures/controls/npm.json', { differs: npmCells, full: false })
