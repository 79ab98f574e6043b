import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ResolvedTool } from '../toolchain/resolve.ts'
import { toolsForUsers } from './tools-for-users.ts'

let folder: string
let run: string
let tool: ResolvedTool
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tools-'))
  await chmod(folder, 0o711)
  run = join(folder, 'run')
  await mkdir(run)
  await mkdir(join(folder, 'home'))
  tool = { name: 'nsc', path: join(folder, 'home', 'nsc'), version: '2.15.0', source: 'cache' }
  await writeFile(tool.path, '#!/bin/sh\n')
  await chmod(tool.path, 0o755)
})
afterEach(() => rm(folder, { recursive: true }))

test('a program that everybody can run stays where it is', async () => {
  await chmod(join(folder, 'home'), 0o711)

  expect(await toolsForUsers([tool], run)).toEqual([tool])
})

test.each([
  ['in a closed folder', async () => chmod(join(folder, 'home'), 0o700)],
  ['with a closed mode', async () => chmod(tool.path, 0o700)],
])('a program %s has another name in the folder of the run, and keeps its own', async (_, close) => {
  await chmod(join(folder, 'home'), 0o711)
  await close()
  const { mode } = await stat(tool.path)

  const path = join(run, 'tools', 'nsc')
  expect(await toolsForUsers([tool], run)).toEqual([{ ...tool, path }])
  expect(await readFile(path, 'utf8')).toBe('#!/bin/sh\n')
  expect((await stat(path)).mode & 0o777).toBe(0o755)
  expect((await stat(join(run, 'tools'))).mode & 0o777).toBe(0o711)
  expect((await stat(tool.path)).mode).toBe(mode)
})

test('a program that needs files beside it has names for all of them, and finds them from its own', async () => {
  await chmod(join(folder, 'home'), 0o700)
  const home = join(folder, 'home', 'server')
  for (const part of ['bin', 'share']) await mkdir(join(home, part), { recursive: true })
  const path = join(home, 'bin', 'nsc')
  await writeFile(path, '#!/bin/sh\n', { mode: 0o700 })
  await writeFile(join(home, 'share', 'words'), 'text', { mode: 0o600 })
  await symlink('words', join(home, 'share', 'link'))

  const own = join(run, 'tools', 'nsc')
  const found = await toolsForUsers([{ ...tool, path, folder: home }], run)
  expect(found).toEqual([{ ...tool, path: join(own, 'bin', 'nsc'), folder: own }])
  expect(await readFile(join(own, 'share', 'link'), 'utf8')).toBe('text')
  const modes = ['bin', 'bin/nsc', 'share/words'].map(async (name) => (await stat(join(own, name))).mode & 0o777)
  expect(await Promise.all(modes)).toEqual([0o755, 0o755, 0o644])
  expect((await stat(join(home, 'share', 'words'))).mode & 0o777).toBe(0o600)
})
