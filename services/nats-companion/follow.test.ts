import { appendFile, mkdir, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { follow } from './follow.ts'

async function following(isImpatient = () => false, folder = '') {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-follow-'))
  const stop = new AbortController()
  const file = join(dir, folder, 'broker.log')
  const added = follow(file, { signal: stop.signal, isImpatient })
  onTestFinished(async () => {
    stop.abort()
    await added.return(undefined)
    await rm(dir, { recursive: true })
  })
  const next = async () => (await added.next()).value as { file: string; lines: string[] }
  return { file, next, stop, added }
}

test('lines are read as they come, whole ones only, from a file that may come later', async () => {
  const { file, next } = await following()
  const first = next()
  await writeFile(file, 'one\ntwo\nthr')
  expect((await first).lines).toEqual(['one', 'two'])
  const second = next()
  await appendFile(file, 'ee: é\n')
  expect((await second).lines).toEqual(['three: é'])
})

test('lines are read where nobody can be told of them: its folder was not there, as where a system has no watches left', async () => {
  const { file, next } = await following(undefined, 'later')
  const first = next()
  await mkdir(dirname(file))
  await writeFile(file, 'one\n')
  expect((await first).lines).toEqual(['one'])
  const second = next()
  await appendFile(file, 'two\n')
  expect((await second).lines).toEqual(['two'])
})

test('a file that takes the place of another is read from its beginning, and so is one that was emptied', async () => {
  const { file, next } = await following()
  await writeFile(file, 'one\n')
  const { file: before, lines } = await next()
  expect(lines).toEqual(['one'])
  await rename(file, `${file}.1`)
  await writeFile(file, 'other\nlines\n')
  const { file: after, lines: others } = await next()
  expect(others).toEqual(['other', 'lines'])
  expect(after).not.toBe(before)
  await truncate(file)
  await appendFile(file, 'anew\n')
  expect((await next()).lines).toEqual(['anew'])
})

test('a file that is replaced is read to its end first', async () => {
  const { file, next } = await following()
  await writeFile(file, 'one\n')
  const { file: before } = await next()
  const more = Array.from({ length: 20_000 }, (_, at) => `more ${at}`)
  await appendFile(file, more.map((line) => `${line}\n`).join(''))
  await rename(file, `${file}.1`)
  await writeFile(file, 'other\n')
  const read: string[] = []
  for (let added = await next(); ; added = await next()) {
    read.push(...added.lines)
    if (added.file !== before) break
  }
  expect(read).toEqual([...more, 'other'])
})

test('who is impatient is told that nothing came, and nobody is after the end', async () => {
  const { next, stop, added } = await following(() => true)
  expect((await next()).lines).toEqual([])
  stop.abort()
  expect(await added.next()).toMatchObject({ done: true })
})

test('more than is read at once is read in order', async () => {
  const { file, next } = await following()
  const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at}`)
  await writeFile(file, lines.map((line) => `${line}\n`).join(''))
  const read: string[] = []
  while (read.length < lines.length) read.push(...(await next()).lines)
  expect(read).toEqual(lines)
})
