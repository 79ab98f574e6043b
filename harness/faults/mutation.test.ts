import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-mutation-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const answerFile = join(folder, 'unit.json')
const hook = new URL('mutation.mjs', import.meta.url).href

/** A process of the unit, which ends at once; answers what was seen of the unit by then. */
async function process(turn: number, script: string): Promise<{ reached: number[]; refused: string[] }> {
  writeFileSync(join(folder, 'switch'), `${turn} 0`)
  const env = { HOLDFAST_MUTANTS: folder, HOLDFAST_MUTATED_SITE: folder, HOLDFAST_MUTATED_UNIT: answerFile }
  await promisify(execFile)(globalThis.process.execPath, ['--import', hook, '--eval', script], { env })
  return JSON.parse(readFileSync(answerFile, 'utf8'))
}

test('what a process came to before it ended counts, until the next mutant is switched on', async () => {
  const refusing = "holdfastMutant(7); holdfastRefusal('start.config', {}); holdfastRefusal('token.form', undefined)"

  expect(await process(1, refusing)).toMatchObject({ turn: 1, reached: [7], refused: ['start.config'] })
  expect(await process(1, 'holdfastMutant(8)')).toMatchObject({ reached: [7, 8], refused: ['start.config'] })
  expect(await process(2, 'holdfastMutant(9)')).toMatchObject({ turn: 2, reached: [9], refused: [] })
})
