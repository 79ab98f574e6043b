import { attacks } from 'holdfast/vitest'

// Sixteen thousand refusals tell a leak from a heap that is young: too much for every run.
await attacks('../../fixtures/controls/liberties-too-far.json', {
  targets: ['wrong'],
  cases: ['GEN-37'],
  differs: {
    'wrong resource:read': {
      'GEN-37 tokens of 7 kB, all different': {
        comes: 'works: it grew in each of 16 rounds',
        against: 'RFC 6585 section 4: what is refused costs nothing for good',
      },
    },
  },
})
