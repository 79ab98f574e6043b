import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-mutation-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const place = join(folder, 'unit')
const hook = new URL('mutation.mjs', import.meta.url).href
const env = { HOLDFAST_MUTANTS: folder, HOLDFAST_MUTATED_SITE: folder, HOLDFAST_MUTATED_PLACE: place }

/** A program, which ends at once; answers what it said, and what stands there of it. */
async function run(file: string, script: string) {
  const before = new Set(answers())
  const path = join(folder, file)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, script)
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', hook, path], { env })
  const written = answers().filter((name) => !before.has(name))
  return { said: stdout.trim(), written: written.map((name) => JSON.parse(readFileSync(join(place, name), 'utf8'))) }
}

function answers(): string[] {
  try {
    return readdirSync(place)
  } catch {
    return []
  }
}

const turn = (number: number, active: number) => writeFileSync(join(folder, 'switch'), `${number} ${active}`)

test('a program of a service has the mutant that is on when it begins, and leaves behind what it came to', async () => {
  const refusing =
    "console.log(holdfastMutant(7)); holdfastRefusal('start.config', {}); holdfastRefusal('token.form', undefined)"
  turn(1, 0)
  const plain = await run('services/thing/main.mjs', refusing)
  turn(2, 7)
  const mutated = await run('services/thing/main.mjs', refusing)

  const seen = { reached: [7], refused: ['start.config'] }
  expect([plain.said, mutated.said]).toEqual(['false', 'true'])
  expect(plain.written).toMatchObject([{ turn: 1, hasEnded: true, seen: [{ turn: 1, ...seen }] }])
  expect(mutated.written).toMatchObject([{ turn: 2, hasEnded: true, seen: [{ turn: 2, ...seen }] }])
})

test('what it came to before another one was switched on, and since then, are told apart', async () => {
  turn(3, 0)
  const script = `
    holdfastMutant(1)
    const { writeFileSync } = await import('node:fs')
    writeFileSync(process.env.HOLDFAST_MUTATED_SITE + '/switch', '4 2')
    while (!holdfastMutant(2)) await new Promise((done) => setTimeout(done, 5))
    holdfastMutant(3)`

  const [{ seen }] = (await run('services/thing/main.mjs', script)).written as [
    { seen: { turn: number; reached: number[] }[] },
  ]

  expect(seen.map((one) => one.turn)).toEqual([3, 4])
  expect(seen[0]!.reached).toContain(1)
  expect(seen[1]!.reached).toEqual(expect.arrayContaining([2, 3]))
  expect(seen[1]!.reached).not.toContain(1)
})

test('modules are those of the service that the program is of', async () => {
  turn(5, 0)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const put = (path: string, says: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), `export const it = '${says}'`)
  }
  put('services/shared/it.js', 'as it is')
  put('services/thing/shared/it.js', 'of thing')
  put('services/other/shared/it.js', 'of other')
  const script = "import { it } from '../shared/it.js'; console.log(it)"
  const said = async (service: string) => (await run(`services/${service}/main.js`, script)).said

  expect([await said('thing'), await said('other'), await said('third')]).toEqual(['of thing', 'of other', 'as it is'])
})

test('a program that is of no service is left alone, whoever runs it', async () => {
  const { said, written } = await run('elsewhere/main.mjs', 'console.log(typeof holdfastMutant)')

  expect([said, written]).toEqual(['undefined', []])
})
