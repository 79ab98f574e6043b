import { matrix } from 'holdfast/vitest'

await matrix('federation', { set: { overlapSeconds: 2 } })
