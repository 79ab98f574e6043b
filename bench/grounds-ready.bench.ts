import { resolve } from 'node:path'
import { netnsBackend } from '../harness/backends/netns/index.ts'
import type { Bench } from './main.ts'
import { interleave } from './measure.ts'
import { untilFirstOutput } from './up-to-ready/first-output.ts'

const topology = 'separate-auth'
const main = resolve(import.meta.dirname, '..', 'harness', 'cli', 'main.ts')

export const bench: Bench = {
  summary: `${topology} from up to ready in namespaces, against the same as processes of one machine`,
  async run() {
    const missing = await netnsBackend.unavailable()
    if (missing !== undefined) throw new Error(`backend netns: ${missing}`)
    const up = (backend: string) => () =>
      untilFirstOutput([main, 'up', topology, '--backend', backend, '--json'], () => {})
    const bars = { bar: { atMost: 1.3 }, rounds: 7 }
    return [await interleave(`up to ready, ${topology}, netns against process`, up('process'), up('netns'), bars)]
  },
}
