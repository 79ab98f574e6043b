import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

let folder: string
const hook = new URL('guard-removal.mjs', import.meta.url).href

/** A service of two guards; the first is asynchronous and leaves what it read in its context. */
const program = `
import { firstRefusal, guard } from './shared/guard.ts'
const no = (reason) => ({ reason, status: 403 })
const read = guard('x.read', ['unreadable'], async (context) => {
  context.value = 'read'
  return context.isWrong ? no('unreadable') : undefined
})
const sync = guard('x.sync', ['wrong'], ({ isWrong }) => (isWrong ? no('wrong') : undefined))
const context = { isWrong: true }
const found = await firstRefusal([read, sync], context)
const isPromise = sync.check(context) instanceof Promise
console.log(JSON.stringify({ reason: found?.refusal.reason, value: context.value, isPromise }))
`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-removal-'))
  await mkdir(join(folder, 'services', 'shared'), { recursive: true })
  await writeFile(join(folder, 'services', 'main.ts'), program)
  const seam = fileURLToPath(new URL('../../services/shared/guard.ts', import.meta.url))
  await cp(seam, join(folder, 'services', 'shared', 'guard.ts'))
})
afterAll(() => rm(folder, { recursive: true }))

function runWithout(
  guard: string | undefined,
  unit = 'a/main',
): Promise<{ code: number; stdout: string; stderr: string }> {
  const argv = ['--disable-warning=ExperimentalWarning', '--import', hook, join(folder, 'services', 'main.ts')]
  const env = guard === undefined ? {} : { HOLDFAST_REMOVED_GUARD: guard, HOLDFAST_UNIT: unit }
  return new Promise((resolve) => {
    execFile(process.execPath, argv, { env }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

async function verdictWithout(guard: string | undefined, unit?: string) {
  const { stdout, stderr } = await runWithout(guard, unit)
  return { ...(JSON.parse(stdout) as object), said: stderr }
}

test('without a name nothing is taken out', async () => {
  const whole = { reason: 'unreadable', value: 'read', isPromise: false }
  expect(await verdictWithout(undefined)).toEqual({ ...whole, said: '' })
  const sought = '{"level":"warn","event":"guard-removal","guard":"x.other"}\n'
  expect(await verdictWithout('x.other')).toEqual({ ...whole, said: sought })
})

test('one guard lets everything pass and says so; the others judge', async () => {
  expect(await verdictWithout('x.read')).toEqual({
    reason: 'wrong',
    // It still reads what the service goes on with.
    value: 'read',
    isPromise: false,
    said: ['guard-removal', 'guard-removed']
      .map((event) => `{"level":"warn","event":"${event}","guard":"x.read"}\n`)
      .join(''),
  })
})

test('a program that is no unit loses it as well, and says no more than it does anyway', async () => {
  expect(await verdictWithout('x.read', '')).toMatchObject({ reason: 'wrong', said: '' })
})

test('a synchronous guard stays synchronous', async () => {
  expect(await verdictWithout('x.sync')).toMatchObject({ reason: 'unreadable', isPromise: false })
})

test('where the seam is another one, the service does not start', async () => {
  await writeFile(
    join(folder, 'services', 'shared', 'guard.ts'),
    'export const guard = () => {}; export const firstRefusal = guard',
  )

  const { code, stderr } = await runWithout('x.read')

  expect(code).toBe(1)
  expect(stderr).toContain('declares no guard function: nothing was taken out')
})
