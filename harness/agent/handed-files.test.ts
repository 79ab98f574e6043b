import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { changed } from './changes.ts'
import { demandHandable, readFiles, stateOfFiles } from './handed-files.ts'
import type { NodeContext } from './node-context.ts'

let folder: string
const context = { dir: '/nowhere', node: { units: [] } } as unknown as NodeContext

afterEach(() => rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-handed-'))
  await writeFile(join(folder, 'a.creds'), Buffer.from([0, 200, 255]))
})

const refused = { code: 'HOLDFAST_HANDOVER_FILES' }

test('reads a folder without what begins with a dot: files that are being written, and layouts of links', async () => {
  await mkdir(join(folder, '..1'))
  await writeFile(join(folder, '..1', 'b'), 'b')
  await symlink('..1', join(folder, '..data'))
  await symlink('..data/b', join(folder, 'b'))
  await writeFile(join(folder, '.tmp-1'), 'half')

  expect((await readFiles(context, { folder })).files).toEqual({ 'a.creds': 'AMj/', b: 'Yg==' })
})

test.each([
  ['a link out of it', () => symlink('/etc/hostname', join(folder, 'b')), 'leads out of its folder'],
  ['a pipe', () => execFileSync('mkfifo', [join(folder, 'b')]), 'is no file'],
  ['a folder', () => mkdir(join(folder, 'keys')), 'is no file'],
  ['more than 4 MiB', () => truncate(join(folder, 'a.creds'), 4 * 1_048_576 + 1), 'has 4194305 bytes; 4194304 at most'],
  ['a name with a space', () => writeFile(join(folder, 'a b'), ''), 'has the name "a b"'],
])('hands no folder over with %s in it', async (_, spoil, why) => {
  await spoil()

  await expect(readFiles(context, { folder })).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining(why),
  })
})

test.each(['../a', '..', '.a', '/a', 'a/b', 'a\\b', 'a\0', '', 'ä'])('takes no file of the name %j', (name) => {
  expect(() => demandHandable('here', ['good', name], 0)).toThrow(expect.objectContaining(refused))
})

test('takes no two files of one name, and not too many', () => {
  const many = Array.from({ length: 257 }, (_, index) => `f${index}`)

  expect(() => demandHandable('here', ['a', 'a'], 0)).toThrow('has two files of one name')
  expect(() => demandHandable('here', many, 0)).toThrow('has 257 files; 256 at most')
})

test('a change is told once it has settled; a folder that is missing for the moment is none', async () => {
  const look = () => stateOfFiles({ folder })
  const seen = await look()
  const next = changed(look, seen)
  await rename(folder, `${folder}.away`)
  const early = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 700, 'none yet'))])
  await rename(`${folder}.away`, folder)
  await writeFile(join(folder, 'b'), 'b')

  expect(early).toBe('none yet')
  expect(await next).toBe(await look())
  expect(await next).not.toBe(seen)
})
