import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { oneshot } from '../backends/fixtures/plans.ts'
import { commandOf } from './command.ts'
import { readFiles } from './handed-files.ts'
import { contextOf, type NodeContext, type UnitContext } from './node-context.ts'
import { renderFile, runSteps } from './steps.ts'
import { makeFolder, writeFor } from './unit-files.ts'

let dir: string
let context: UnitContext

afterEach(() => rm(dir, { recursive: true, force: true }))
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-unit-'))
  const unit = { ...oneshot('unit', [], []), user: 'nobody' }
  const node = { dir, learn() {}, node: { name: 'node', units: [unit] } } as unknown as NodeContext
  context = contextOf(node, unit)
})

const isRoot = process.getuid?.() === 0

test.runIf(isRoot)('gives a unit the folders below its own, and follows no link that its user put there', async () => {
  const own = join(dir, 'units', 'unit')
  await makeFolder(context, join(own, 'a', 'b'))
  const target = join(dir, 'target')
  await mkdir(target)
  await chmod(target, 0o755)
  await symlink(target, join(own, 'link'))

  for (const path of [join(own, 'link', 'file'), join(own, 'link', 'below', 'file')]) {
    await expect(writeFor(context, path, 'x', { mode: '0600' })).rejects.toMatchObject({
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

test.runIf(isRoot)('what a user linked to from the folder of its unit is read for no reader of the plan', async () => {
  const own = join(dir, 'units', 'unit')
  const [cert, set, text] = [join(own, 'cert.pem'), join(own, 'set'), '"a line of its own"']
  await writeFor(context, join(own, 'mine'), text, { mode: '0600' })
  await symlink('mine', cert)
  const [outside, ofAnother] = [join(dir, 'outside'), join(own, 'of-another')]
  for (const folder of [outside, ofAnother]) {
    await mkdir(folder)
    await writeFile(join(folder, 'cert.pem'), '"of-root-alone-to-read"', { mode: 0o600 })
  }
  await chown(join(ofAnother, 'cert.pem'), 4_711, -1)
  const work = { ...context, log: [], signal: new AbortController().signal }
  const readers = [
    () => runSteps(work, [{ copy: { from: '@{unit}/cert.pem', to: { path: '@{dir}/copied', mode: '0600' } } }]),
    () => renderFile(context, { path: '@{dir}/rendered', json: { key: '@{json:cert.pem}' } }),
    () => commandOf(context, { program: { path: 'true' }, args: [], env: { KEY: '@{content:cert.pem}' } }),
    () => readFiles(context, { files: [cert] }),
    () => readFiles(context, { folder: set }),
  ]

  expect((await readFiles(context, { files: [cert] })).files).toEqual({ 'cert.pem': btoa(text) })
  for (const folder of [outside, ofAnother]) {
    await Promise.all([cert, set].map((path) => rm(path, { force: true })))
    await symlink(join(folder, 'cert.pem'), cert)
    await symlink(folder, set)
    for (const read of readers) await expect(read()).rejects.toMatchObject({ code: 'HOLDFAST_FILE_FOREIGN' })
  }
})

test('a text takes in what other files hold, where nobody else can read it', async () => {
  const own = { ...context, unit: { ...context.unit, user: undefined } }
  await writeFor(own, join(dir, 'root.pem'), 'root\n', { mode: '0600' })
  await writeFor(own, join(own.unitDir, 'password'), 'a b/c', { mode: '0600' })
  const path = join(own.unitDir, 'both')
  const text = '@{content:@{dir}/root.pem} @{content:password}\n'

  await renderFile(own, { path, text })
  expect([await readFile(path, 'utf8'), (await stat(path)).mode & 0o777]).toEqual(['root a b/c\n', 0o600])
  await expect(renderFile(own, { path, text, mode: '0640' })).rejects.toMatchObject({
    code: 'HOLDFAST_CONTENT_OPEN',
    message: `${path}: the content of @{dir}/root.pem would be read by others, since the file has mode 0640; leave that out`,
  })
  await expect(renderFile(own, { path, text: '@{content:none}' })).rejects.toMatchObject({ code: 'ENOENT' })
})
