import { vi } from 'vitest'
import { attacks } from '../../vitest.ts'

// A site of its own.
vi.setConfig({ testTimeout: 300_000 })

await attacks(new URL('../../kinds/nats-server/testing/lab.ts', import.meta.url).pathname, { families: ['nats'] })
