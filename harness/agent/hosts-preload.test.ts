import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hostsText } from './hosts-file.ts'

const run = promisify(execFile)
const preload = new URL('./hosts-preload.mjs', import.meta.url).href
let hostsFile: string

afterAll(() => rm(dirname(hostsFile), { recursive: true, force: true }))
beforeAll(async () => {
  hostsFile = join(await mkdtemp(join(tmpdir(), 'holdfast-hosts-')), 'hosts')
  await writeFile(hostsFile, hostsText({ 'a.lab.test': '127.9.9.1' }))
})

/** What an expression evaluates to in a Node program that has the preload. */
async function evaluate(expression: string): Promise<unknown> {
  const script = `
    import { lookup } from 'node:dns'
    import * as promises from 'node:dns/promises'
    const callback = (...args) => new Promise((resolve) => lookup(...args, (...answer) => resolve(answer)))
    const code = (promise) => promise.then(() => 'none', (cause) => cause.code)
    console.log(JSON.stringify(await (${expression})))`
  const argv = ['--import', preload, '--input-type=module', '-e', script]
  const { stdout } = await run(process.execPath, argv, { env: { HOLDFAST_HOSTS: hostsFile } })
  return JSON.parse(stdout)
}

test.each([
  [`callback('a.lab.test')`, [null, '127.9.9.1', 4]],
  [`callback('A.LAB.test', {})`, [null, '127.9.9.1', 4]],
  [`callback('a.lab.test', 4)`, [null, '127.9.9.1', 4]],
  [`callback('a.lab.test', { all: true })`, [null, [{ address: '127.9.9.1', family: 4 }]]],
  [`promises.lookup('a.lab.test')`, { address: '127.9.9.1', family: 4 }],
  [`promises.lookup('a.lab.test', { all: true })`, [{ address: '127.9.9.1', family: 4 }]],
])('%s answers the address of the plan', async (expression, expected) => {
  expect(await evaluate(expression)).toEqual(expected)
})

test('a name that the plan does not know beside its own is not found, at once', async () => {
  expect(await evaluate(`code(promises.lookup('b.lab.test'))`)).toBe('ENOTFOUND')
  expect(await evaluate(`callback('b.lab.test').then(([cause]) => cause.code)`)).toBe('ENOTFOUND')
})

test('other names go on to the system', async () => {
  expect(await evaluate(`promises.lookup('localhost', { family: 4 })`)).toEqual({ address: '127.0.0.1', family: 4 })
  expect(await evaluate(`callback('127.0.0.1')`)).toEqual([null, '127.0.0.1', 4])
})

test('connections follow it', async () => {
  const connect = `new Promise(async (resolve) => (await import('node:net')).connect(1, 'a.lab.test').on('error', (cause) => resolve(cause.address)))`

  expect(await evaluate(connect)).toBe('127.9.9.1')
})

test('a hosts file that was replaced counts from the next look on', async () => {
  const other = JSON.stringify(hostsText({ 'a.lab.test': '127.9.9.2' }))
  const replace = `import('node:fs').then(({ renameSync, writeFileSync }) => {
    const file = process.env.HOLDFAST_HOSTS
    writeFileSync(file + '.new', ${other})
    renameSync(file + '.new', file)
  })`
  const found = `promises.lookup('a.lab.test').then(({ address }) => address)`

  expect(await evaluate(`[await ${found}, await ${replace}, await ${found}]`)).toEqual(['127.9.9.1', null, '127.9.9.2'])
})
