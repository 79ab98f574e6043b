import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keepMinted } from './keep-minted.ts'

const LIFE_MS = 600_000

let folder: string
/** What was done, in its order. */
let done: string[]
/** What the issuer does next, by call. */
let answers: (() => Promise<void>)[]

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000, shouldAdvanceTime: true })
  folder = mkdtempSync(join(tmpdir(), 'holdfast-keep-minted-'))
  writeFileSync(join(folder, 'cert.pem'), 'first')
  // Of this test alone: the folder of the one before went away, which its watch has noticed.
  const own = { done: [] as string[], answers: [] as (() => Promise<void>)[] }
  ;({ done, answers } = own)
  const act = (what: string) => async () => {
    own.done.push(what)
    await own.answers.shift()?.()
  }
  keepMinted({
    binding: { certificate: join(folder, 'cert.pem'), prove: act('prove') },
    renewAfterMs: LIFE_MS * 0.8,
    receive: act('receive'),
    onFailure: ({ message }) => void own.done.push(message),
  })
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

/** As whoever renews does it. */
function replaceCertificate(text: string): void {
  writeFileSync(join(folder, 'cert.next'), text)
  renameSync(join(folder, 'cert.next'), join(folder, 'cert.pem'))
}

async function seen(expected: string[]): Promise<void> {
  await vi.waitFor(() => expect(done).toEqual(expected), { timeout: 5_000 })
}

test('asks for another at its share of life, and again a life later, on a clock that may jump', async () => {
  vi.setSystemTime(1_000_000 + LIFE_MS * 0.8 - 5_000)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(done).toEqual([])
  await vi.advanceTimersByTimeAsync(5_000)
  expect(done).toEqual(['receive'])

  vi.setSystemTime(Date.now() + LIFE_MS * 0.8)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(done).toEqual(['receive', 'receive'])

  vi.setSystemTime(Date.now() - 3_600_000)
  await vi.advanceTimersByTimeAsync(LIFE_MS * 0.8 + 1_000)
  expect(done).toEqual(['receive', 'receive', 'receive'])
})

test('a renewed certificate is proven first, and the share of life counts from then on', async () => {
  vi.setSystemTime(1_000_000 + LIFE_MS * 0.7)
  replaceCertificate('second')
  await seen(['prove', 'receive'])
  vi.setSystemTime(1_000_000 + LIFE_MS * 0.9)
  await vi.advanceTimersByTimeAsync(1_500)
  expect(done).toEqual(['prove', 'receive'])
})

test('a certificate that is renewed while a token is on its way: that token is followed by one for the newest', async () => {
  let arrive = (): void => {}
  answers.push(
    () =>
      new Promise((resolve) => {
        arrive = resolve
      }),
  )
  vi.setSystemTime(1_000_000 + LIFE_MS)
  await seen(['receive'])
  replaceCertificate('second')
  await vi.advanceTimersByTimeAsync(500)
  expect(done).toEqual(['receive'])
  arrive()
  await seen(['receive', 'prove', 'receive'])
})

test('an issuer that cannot be reached is asked again, with the proof', async () => {
  answers.push(() => Promise.reject(new Error('unreachable')))
  replaceCertificate('second')
  await seen(['prove', 'unreachable'])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(done).toEqual(['prove', 'unreachable', 'prove', 'receive'])
})

test('a certificate is followed into a folder that was made anew, and through links to a folder that is swapped', async () => {
  rmSync(folder, { recursive: true })
  await vi.advanceTimersByTimeAsync(500)
  for (const set of ['..1', '..2']) {
    mkdirSync(join(folder, set), { recursive: true })
    writeFileSync(join(folder, set, 'cert.pem'), set)
  }
  symlinkSync('..1', join(folder, '..data'))
  symlinkSync('..data/cert.pem', join(folder, 'cert.pem'))
  await seen(['prove', 'receive'])
  symlinkSync('..2', join(folder, '..next'))
  renameSync(join(folder, '..next'), join(folder, '..data'))
  await seen(['prove', 'receive', 'prove', 'receive'])
})
