import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { rowOf, writeSecret, writeSecretFolder } from './secret-file.ts'

let folder: string

afterEach(() => rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-secret-'))
})

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

test('writes with the mode that is demanded, whatever the umask, in folders that only the owner can enter', async () => {
  const before = process.umask(0)
  try {
    await writeSecret(join(folder, 'a', 'b', 'key.pem'), 'secret', { mode: '0600' })
    await writeSecret(join(folder, 'a', 'open.txt'), 'public', { mode: '0644' })
  } finally {
    process.umask(before)
  }

  expect(await modeOf(join(folder, 'a'))).toBe('700')
  expect(await modeOf(join(folder, 'a', 'b', 'key.pem'))).toBe('600')
  expect(await modeOf(join(folder, 'a', 'open.txt'))).toBe('644')
})

test('replaces a file in one step: an open reader keeps the old content, and no temporary file stays', async () => {
  const path = join(folder, 'token')
  await writeFile(path, 'old')
  await chmod(path, 0o666)
  const inode = (await stat(path)).ino

  await writeSecret(path, 'new', { mode: '0600' })

  expect(await readFile(path, 'utf8')).toBe('new')
  expect((await stat(path)).ino).not.toBe(inode)
  expect(await modeOf(path)).toBe('600')
  expect(await readdir(folder)).toEqual(['token'])
})

test('sets an owner that exists, and refuses one that does not', async () => {
  const { uid, gid } = await stat(folder)
  const path = join(folder, 'token')

  await writeSecret(path, 'x', { mode: '0600', owner: String(uid), group: String(gid) })

  expect(await stat(path)).toMatchObject({ uid, gid })
  const nobody = writeSecret(join(folder, 'other'), 'x', { mode: '0600', owner: 'no-such-user' })
  await expect(nobody).rejects.toMatchObject({ code: 'HOLDFAST_HANDOVER_OWNER' })
  expect(await readdir(folder)).toEqual(['token'])
})

test.each(['', 'x', '-1', '0x0'])('takes no row of a table of users whose number is %j', async (number) => {
  const table = join(folder, 'passwd')
  await writeFile(table, `one:x:${number}:7::/:/bin/sh\ntwo:x:7:${number}::/:/bin/sh\ntwo:x:8:9::/:/bin/sh\n`)

  await expect(rowOf('one', table, 2)).rejects.toMatchObject({ code: 'HOLDFAST_HANDOVER_OWNER' })
  expect((await rowOf('two', table, 2)).slice(2, 4)).toEqual(['8', '9'])
})

const setOf = (text: string) => new Map([['creds', Buffer.from(text)]])

test('replaces a folder in one step; who found the one before reads it whole until the next', async () => {
  const path = join(folder, 'handed')
  await writeSecretFolder(path, setOf('1'), { mode: '0640', folderMode: '0750' })
  const first = await realpath(path)
  await writeSecretFolder(path, setOf('2'), { mode: '0600' })

  expect(await readFile(join(first, 'creds'), 'utf8')).toBe('1')
  expect([await modeOf(first), await modeOf(join(first, 'creds'))]).toEqual(['750', '640'])
  expect(await readFile(join(path, 'creds'), 'utf8')).toBe('2')
  expect(await modeOf(path)).toBe('700')
  await writeSecretFolder(path, setOf('3'), { mode: '0600' })
  await expect(stat(first)).rejects.toThrow('ENOENT')
  expect(await readdir(folder)).toHaveLength(3)
})

test('a folder that was made otherwise is not replaced, and nothing of the set stays', async () => {
  const path = join(folder, 'handed')
  await mkdir(path)

  const refused = writeSecretFolder(path, setOf('1'), { mode: '0600' })

  await expect(refused).rejects.toMatchObject({ code: 'HOLDFAST_HANDOVER_PLACE' })
  expect(await readdir(folder)).toEqual(['handed'])
})
