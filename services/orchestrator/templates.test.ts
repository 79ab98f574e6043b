import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { complaints, hasSystemd } from '../shared/testing/systemd-units.ts'

const folder = join(import.meta.dirname, 'templates')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')

test('the service starts after what takes its credentials over, which starts again with each new manifest', () => {
  expect(read('orchestrator.service')).toMatch(/^Requires=creds-intake\.service$/m)
  expect(read('orchestrator.service')).toMatch(/^After=.*\bcreds-intake\.service$/m)
  expect(read('creds-intake.path')).toMatch(/^PathChanged=.*\/manifest\.json\nUnit=creds-intake\.service$/m)
})

test.runIf(hasSystemd)('systemd understands every line of them', () => {
  expect(complaints(folder, { beside: [] })).toEqual([])
  const planted = { 'creds-intake.path': '[Path]\nPathHasOtherCredentials=/nowhere\n' }
  expect(complaints(folder, { beside: [], planted }).join()).toContain('PathHasOtherCredentials')
})
