import { attacks } from 'holdfast/vitest'

await attacks('shared-auth', {
  cases: ['PEER-01', 'PEER-02', 'PEER-03', 'PEER-04', 'PEER-15', 'PEER-24', 'PEER-26', 'PEER-27', 'PEER-28'],
})
