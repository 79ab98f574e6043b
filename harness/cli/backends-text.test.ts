import { stripVTControlCharacters } from 'node:util'
import { expect, test, vi } from 'vitest'
import type { Backend } from '../backends/backend.ts'
import { capabilities } from '../backends/capabilities.ts'
import { backends } from '../shipped.ts'
import { backendsHere, backendsMarkdown, backendsText } from './backends-text.ts'
import { list } from './list.ts'

const backend = (parts: object) => ({ unavailable: async () => undefined, ...parts }) as unknown as Backend
const able = backend({ name: 'able', capabilities: { pause: true, partition: false } })
const looking = backend({
  name: 'looking',
  unavailable: async () => 'no engine answers; start it',
  capabilities: {
    pause: true,
    get ownClock() {
      return false
    },
  },
  whyLacking: (name: string) => (name === 'ownClock' ? 'libfaketime is missing; install it' : undefined),
})

test('what depends on the machine is told as such where no machine is meant, and as it is where one is', async () => {
  const lines = backendsMarkdown([able, looking]).split('\n')
  expect(lines[0]).toBe('| capability | | `able` | `looking` |')
  expect(lines).toContain(`| \`pause\` | ${capabilities.pause} | yes | yes |`)
  expect(lines).toContain(`| \`partition\` | ${capabilities.partition} | no | no |`)
  expect(lines).toContain(`| \`ownClock\` | ${capabilities.ownClock} | no | where the machine can |`)

  const text = stripVTControlCharacters(backendsText(await backendsHere([able, looking])))
  expect(text).toMatch(/^CAPABILITY +ABLE +LOOKING\n +ready +cannot run\n/)
  expect(text).toMatch(/^ownClock +no +not here +clocks of nodes are moved$/m)
  expect(text).toMatch(/^pause +yes +yes /m)
  expect(text.split('\n').slice(-2)).toEqual([
    'looking: no engine answers; start it',
    'looking ownClock: libfaketime is missing; install it',
  ])
})

test('holdfast list --backends tells all that there are, and --json the same', async () => {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  await list({ backends: true, json: true })
  const [[text]] = written.mock.calls as [[string]]
  await list({ backends: true })
  const shown = String(written.mock.calls.at(-1)?.[0])
  written.mockRestore()

  const told = JSON.parse(text) as { backend: string; capabilities: object }[]
  expect(told.map((one) => one.backend)).toEqual(backends.map(({ name }) => name))
  for (const one of told) expect(Object.keys(one.capabilities)).toEqual(Object.keys(capabilities))
  for (const { name } of backends) expect(shown).toContain(name.toUpperCase())
})
