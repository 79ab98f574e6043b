import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { interruptible } from './interruption.ts'

const fixture = join(import.meta.dirname, 'fixtures', 'interruptible.ts')

const released = 'everything that was started is released'
const ending = 'ending: what was started is released first; a second Ctrl-C ends at once\n'

function start(...args: string[]): {
  child: ChildProcess
  said: (word: string) => Promise<void>
  output: () => string
  complained: () => string
} {
  const child = spawn(process.execPath, [fixture, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let complaints = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const said = async (word: string): Promise<void> => {
    while (!output.includes(word)) await once(child.stdout!, 'data', { signal: AbortSignal.timeout(10_000) })
  }
  return { child, said, output: () => output, complained: () => complaints }
}

test('Ctrl-C is answered at once, releases what is held, and ends with 130', async () => {
  const { child, said, output, complained } = start()
  await said('holding')
  child.kill('SIGINT')
  const [code] = await once(child, 'close')

  expect(complained()).toBe(ending)
  expect(output()).toBe(`holding\nreleasing\nreleased\ninterrupted by SIGINT; ${released}\n`)
  expect(code).toBe(130)
})

test('a second Ctrl-C does not wait for what hangs, and says what takes away what is left', async () => {
  const { child, said, output, complained } = start('stuck', '0')
  await said('holding')
  child.kill('SIGINT')
  await said('releasing')
  child.kill('SIGINT')
  const [code] = await once(child, 'close')

  expect(output()).toBe('holding\nreleasing\n')
  expect(complained()).toBe(`${ending}ended at once; what is left of the run, npx holdfast sweep takes away\n`)
  expect(code).toBe(130)
})

test('SIGTERM releases too, and ends with 143', async () => {
  const { child, said } = start()
  await said('holding')
  child.kill('SIGTERM')

  expect((await once(child, 'close'))[0]).toBe(143)
})

test('an ending that a terminal, a supervisor and a launcher each send is one', async () => {
  const { child, said, output } = start('told')
  await said('holding')
  child.kill('SIGTERM')
  await said('releasing')
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) child.kill(signal)
  child.stdin!.end('go on')
  const [code] = await once(child, 'close')

  expect(output()).toBe(`holding\nreleasing\nreleased\ninterrupted by SIGTERM; ${released}\n`)
  expect(code).toBe(143)
})

test('what is thrown where nobody catches it releases, and is told then', async () => {
  const { child, output } = start('throws')
  const [code] = await once(child, 'close')

  expect(output()).toMatch(/^holding\nreleasing\nreleased\nerror: this is a defect of Holdfast: .* in JSON/)
  expect(code).toBe(1)
})

test('work that was not interrupted answers, and fails, as it would alone', async () => {
  expect(await interruptible(async () => 7)).toBe(7)
  await expect(interruptible(async () => Promise.reject(new RangeError('own')))).rejects.toThrow('own')
  expect(process.listenerCount('SIGHUP')).toBe(0)
})
