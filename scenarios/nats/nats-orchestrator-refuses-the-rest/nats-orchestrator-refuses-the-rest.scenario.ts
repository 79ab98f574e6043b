import { matrix } from 'holdfast/vitest'

await matrix('nats-orchestrator', { waits: true })
