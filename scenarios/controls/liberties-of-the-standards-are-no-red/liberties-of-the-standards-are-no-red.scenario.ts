import { attacks, matrix } from 'holdfast/vitest'
import { tooFar } from '../cases.ts'
import { liberties } from '../differences.ts'

const lab = '../../../fixtures/controls/liberties.json'
const tooFarLab = '../../../fixtures/controls/liberties-too-far.json'
const open = ['GEN-12', 'GEN-17', 'GEN-20', 'GEN-21', 'GEN-24', 'GEN-25', 'GEN-28', 'GEN-37', 'PEER-14', 'PEER-30']
const ofHttp = ['TLS-13', 'TLS-18', 'TLS-26', 'TLS-30', 'TLS-31', 'TLS-32', 'TLS-33', 'TLS-34', 'TLS-35']

await attacks(lab, { targets: ['right'], cases: [...open, ...ofHttp] })
await attacks(tooFarLab, { targets: ['wrong'], cases: tooFar, differs: liberties })
await matrix(lab, { full: true })
