import { attacks } from 'holdfast/vitest'

await attacks('separate-auth', {
  waits: true,
  cases: ['PEER-11', 'PEER-20', 'PEER-21', 'PEER-22', 'PEER-23', 'PEER-25'],
})
