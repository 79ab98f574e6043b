import { attacks } from 'holdfast/vitest'

await attacks('nats-orchestrator', { set: { callout: 'false' } })
