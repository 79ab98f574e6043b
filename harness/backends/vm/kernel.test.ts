import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { vmBackend } from './index.ts'
import { ensureKernel, kernelMissing } from './kernel.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-kernel-'))
const [image, modules] = [join(folder, 'vmlinuz-1.2.3'), join(folder, 'modules')]
writeFileSync(image, 'kernel')
mkdirSync(join(modules, 'kernel'), { recursive: true })

beforeEach(() => {
  vi.stubEnv('HOLDFAST_VM_KERNEL', image)
  vi.stubEnv('HOLDFAST_VM_MODULES', modules)
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Wherever it is asked for: before a launch, at it, and by whoever looks what this machine has. */
async function expectMissing(told: string): Promise<void> {
  expect(kernelMissing()).toBe(told)
  await expect(ensureKernel()).rejects.toMatchObject({
    code: 'HOLDFAST_VM_KERNEL',
    message: expect.stringContaining(told),
  })
  if (process.platform === 'linux' && process.arch === 'x64') expect(await vmBackend.unavailable()).toContain(told)
}

test('a kernel that HOLDFAST_VM_KERNEL names, and that is not there, is lacking by that name', async () => {
  expect(kernelMissing()).toBeUndefined()
  for (const named of ['/nope', folder]) {
    vi.stubEnv('HOLDFAST_VM_KERNEL', named)
    await expectMissing(
      `HOLDFAST_VM_KERNEL is ${named}, which is no file that this user may read: unset HOLDFAST_VM_KERNEL, or set it to the path of a kernel (vmlinuz-VERSION)`,
    )
  }
})

test('its modules are lacking by the name of their own variable, given or not', async () => {
  expect(await ensureKernel()).toEqual({ image, modules })
  const wayOut = `has no folder "kernel": set HOLDFAST_VM_MODULES to the folder of the modules of ${image}`
  vi.stubEnv('HOLDFAST_VM_MODULES', folder)
  await expectMissing(`HOLDFAST_VM_MODULES is ${folder}, which ${wayOut}`)
  vi.stubEnv('HOLDFAST_VM_MODULES', undefined)
  await expectMissing(`HOLDFAST_VM_MODULES is not set, and /lib/modules/1.2.3 ${wayOut}`)
})
