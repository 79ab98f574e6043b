import { matrix } from 'holdfast/vitest'

await matrix('nats-orchestrator', { set: { callout: 'false' } })
