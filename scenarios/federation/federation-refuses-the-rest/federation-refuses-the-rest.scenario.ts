import { matrix } from 'holdfast/vitest'

await matrix('federation', { set: { caPerGateway: 'true', overlapSeconds: 2 } })
