import { netnsBackend } from '../backends/netns/index.ts'
import { callsFromOutside } from './fixtures/calls-from-outside.ts'

await callsFromOutside(netnsBackend, 300_000)
