import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { programEnvironment } from '../../settings.ts'
import { lockFolder } from '../../toolchain/lock.ts'
import { kvmMissing } from './accelerator.ts'
import { findKernel } from './kernel.ts'
import { folderOfMachines, removeUnfinished } from './set-aside.ts'

const place = (name: string) => pathToFileURL(join(import.meta.dirname, name)).href

/** Whoever moves a file to its name is killed instead. */
const killedAtMove = `
  import fs from 'node:fs/promises'
  import { syncBuiltinESMExports } from 'node:module'
  fs.rename = () => process.kill(process.pid, 'SIGKILL')
  syncBuiltinESMExports()`

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-aside-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  vi.stubEnv('HOLDFAST_CACHE_DIR', join(folder, 'cache'))
  onTestFinished(() => void vi.unstubAllEnvs())
  return folder
}

/** What is in the cache, but for the lock. */
function files(): string[] {
  const found = readdirSync(folderOfMachines(), { recursive: true, withFileTypes: true })
  return found.filter((one) => one.isFile() && !/^lock\./.test(one.name)).map(({ name }) => name)
}

/** Does it, is killed before what was made has its name, and sweeps. What was left then, and what is afterwards. */
async function sweptAfter(folder: string, script: string): Promise<{ left: number; swept: string[] }> {
  const program = `${killedAtMove}\n${script}`
  const path = `${join(folder, 'bin')}:${process.env.PATH}`
  const env = programEnvironment({ PATH: path, HOLDFAST_CACHE_DIR: join(folder, 'cache') })
  const options = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', '--input-type=module']
  const child = spawn(process.execPath, [...options, '-e', program], { stdio: 'inherit', env })
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
  const left = files().length
  await removeUnfinished()
  return { left, swept: files() }
}

/** A kernel of modules that need nothing. */
function kernelIn(folder: string): string {
  const names = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio_rng', 'ext4', 'overlay']
  mkdirSync(join(folder, 'modules/kernel'), { recursive: true })
  for (const name of names) writeFileSync(join(folder, 'modules/kernel', `${name}.ko`), '\0depends=\0')
  return JSON.stringify({ image: '/x', modules: join(folder, 'modules') })
}

test('the first root of machines that somebody was making who died is swept', async () => {
  const folder = scratch()
  const script = `const { ensureInitramfs } = await import('${place('kernel.ts')}')
    await ensureInitramfs(${kernelIn(folder)}, '${import.meta.filename}')`
  expect(await sweptAfter(folder, script)).toEqual({ left: 1, swept: [] })
})

test('what was being remembered of machines, and of compiled code, is swept', async () => {
  const folder = scratch()
  const tag = `const { KnownTag } = await import('${place('warm-code.ts')}')
    await new KnownTag('x').write('1')`
  expect(await sweptAfter(folder, tag)).toEqual({ left: 1, swept: [] })
  const module = join(import.meta.dirname, '../../agent/changes.ts')
  const warm = `const { warmCode } = await import('${place('warm-code.ts')}')
    await warmCode(new Map([['${module}', {}]]), 'x')`
  expect(await sweptAfter(folder, warm)).toEqual({ left: expect.toSatisfy((left: number) => left > 0), swept: [] })
})

const noKvm = kvmMissing() === undefined ? '' : '(needs /dev/kvm)'

test.skipIf(noKvm)(`so is the answer whether KVM boots a machine ${noKvm}`, async () => {
  const folder = scratch()
  const script = `const { chooseAccelerator } = await import('${place('accelerator.ts')}')
    await chooseAccelerator('/bin/true', { image: '/x', modules: '/x' }, '/x', 'run')`
  expect(await sweptAfter(folder, script)).toEqual({ left: 1, swept: [] })
})

const lists = '/var/lib/apt/lists'
const fetches =
  process.platform === 'linux' &&
  existsSync(lists) &&
  readdirSync(lists).some((name) => name.includes('_Packages')) &&
  findKernel({ cacheDir: '/nowhere' } as never) === undefined
const noFetch = fetches ? '' : '(needs lists of the packages of Debian, and no kernel in /boot)'

test.skipIf(noFetch)(`so is a kernel that was being fetched ${noFetch}`, async () => {
  const folder = scratch()
  mkdirSync(join(folder, 'bin'))
  const programs = {
    'apt-cache': 'echo Depends: linux-image-x',
    'apt-get': 'touch x.deb',
    'dpkg-deb': 'mkdir -p $3/boot; touch $3/boot/vmlinuz-x',
  }
  for (const [name, text] of Object.entries(programs))
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  const script = `const { ensureKernel } = await import('${place('kernel.ts')}')
    await ensureKernel()`
  expect(await sweptAfter(folder, script)).toEqual({ left: 2, swept: [] })
})

test('nothing is swept that somebody is making', async () => {
  scratch()
  const left = join(folderOfMachines(), 'making-abcdef')
  mkdirSync(join(left, 'root'), { recursive: true })
  {
    using _ = await lockFolder(folderOfMachines())
    await removeUnfinished()
    expect(existsSync(left)).toBe(true)
  }
  await removeUnfinished()
  expect(existsSync(left)).toBe(false)
})
