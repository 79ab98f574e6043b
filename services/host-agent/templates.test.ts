import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { complaints, hasSystemd } from '../shared/testing/systemd-units.ts'

const folder = join(import.meta.dirname, 'templates')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')

test('the service starts after what takes its credentials over, which starts again with each new manifest', () => {
  expect(read('host-agent.service')).toMatch(/^Requires=sentinel-intake\.service$/m)
  expect(read('host-agent.service')).toMatch(/^After=.*\bsentinel-intake\.service$/m)
  expect(read('sentinel-intake.path')).toMatch(/^PathChanged=.*\/manifest\.json\nUnit=sentinel-intake\.service$/m)
})

test.runIf(hasSystemd)('systemd understands every line of them', () => {
  expect(complaints(folder, { beside: [] })).toEqual([])
  const planted = { 'sentinel-intake.path': '[Path]\nPathHasOtherCredentials=/nowhere\n' }
  expect(complaints(folder, { beside: [], planted }).join()).toContain('PathHasOtherCredentials')
})
