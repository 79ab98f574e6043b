import { chmod, lstat, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { NodeContext } from './node-context.ts'
import { makeFolder, writeFor } from './unit-files.ts'

let dir: string
let context: NodeContext

afterEach(() => rm(dir, { recursive: true, force: true }))
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-unit-'))
  context = { dir, node: { name: 'node', units: [{ name: 'unit', user: 'nobody' }] } } as unknown as NodeContext
})

const isRoot = process.getuid?.() === 0

test.runIf(isRoot)('gives a unit the folders below its own, and follows no link that its user put there', async () => {
  const own = join(dir, 'units', 'unit')
  await makeFolder(context, 'unit', join(own, 'a', 'b'))
  const target = join(dir, 'target')
  await mkdir(target)
  await chmod(target, 0o755)
  await symlink(target, join(own, 'link'))

  for (const path of [join(own, 'link', 'file'), join(own, 'link', 'below', 'file')]) {
    await expect(writeFor(context, 'unit', path, 'x', { mode: '0600' })).rejects.toMatchObject({
      code: 'HOLDFAST_HANDOVER_PLACE',
      message: `${join(own, 'link')} is a link or no folder; let the plan name another`,
    })
  }
  const { uid, mode } = await stat(target)
  expect([uid, mode & 0o777]).toEqual([0, 0o755])
  const { uid: given } = await lstat(join(own, 'a', 'b'))
  expect((await lstat(own)).uid).toBe(given)
  expect(given).not.toBe(0)
})
