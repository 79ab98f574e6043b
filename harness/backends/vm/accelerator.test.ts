import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { killProcessesOf, processesOf } from '../../agent/labelled.ts'
import { dieWithParent } from '../processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-accelerator-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Tries KVM with a machine that hangs, in a process of its own: that, and the number of the machine's. */
async function triedByAnother(run: string) {
  const [qemu, told] = [join(folder, `qemu-${run}`), join(folder, `pid-${run}`)]
  await writeFile(qemu, `#!/bin/sh\necho $$ > ${told}\nexec sleep 600\n`, { mode: 0o755 })
  const module = pathToFileURL(join(import.meta.dirname, 'accelerator.ts')).href
  const script = `import { tryKvm } from '${module}'
    await tryKvm('${qemu}', { image: '/x', modules: '/x' }, '/x', '${run}')`
  const options = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', '--input-type=module']
  const coordinator = spawn(process.execPath, [...options, '-e', script], { stdio: 'inherit' })
  const pid = () => Number(existsSync(told) ? readFileSync(told, 'utf8') : 0)
  onTestFinished(() => {
    coordinator.kill('SIGKILL')
    if (isThere(pid())) process.kill(pid(), 'SIGKILL')
  })
  await vi.waitUntil(() => pid() > 0, { timeout: 30_000 })
  return { coordinator, pid: pid() }
}

function isThere(pid: number): boolean {
  return pid > 0 && existsSync(`/proc/${pid}/stat`) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

const missing =
  process.platform !== 'linux'
    ? '(needs Linux)'
    : dieWithParent().length === 0
      ? '(needs setpriv: apt-get install util-linux)'
      : ''

test.skipIf(missing)(`a machine with which KVM is tried ends with whoever tries it ${missing}`, async () => {
  const { coordinator, pid } = await triedByAnother('tried-000001')
  expect(isThere(pid)).toBe(true)
  coordinator.kill('SIGKILL')
  await once(coordinator, 'exit')
  await vi.waitUntil(() => !isThere(pid), { timeout: 5_000 })
})

test.skipIf(process.platform !== 'linux')('it is of its run, by whose label it is swept', async () => {
  const { pid } = await triedByAnother('tried-000002')
  expect(await processesOf({ run: 'tried-000002' })).toEqual([pid])
  expect(await killProcessesOf({ run: 'tried-000002' })).toBe(1)
  await vi.waitUntil(() => !isThere(pid), { timeout: 5_000 })
})
