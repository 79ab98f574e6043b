import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { programEnvironment, settings as readSettings } from '../../settings.ts'
import { lockFolder } from '../../toolchain/lock.ts'
import { dieWithParent } from '../processes.ts'
import { PROBED } from './initramfs.ts'
import { fingerprintOf, type Kernel } from './kernel.ts'
import { folderOfMachines, writeWhole } from './set-aside.ts'

const run = promisify(execFile)

/** How machines run: by the processor, or translated. */
export interface Accelerator {
  readonly name: 'kvm' | 'tcg'
  /** As the end of a sentence that begins with it. */
  readonly reason: string
}

/** Translated code takes so many times as long, and starts of programs up to twice that. */
const TRANSLATED_SLOWNESS = 6
/** A machine that boots does so well within; one that hangs at its first instruction never does. */
const BOOT_WITHIN_MS = 15_000
/** What did not work may have been put right since. */
const BELIEVED_MS = 86_400_000

/** Why the processor cannot be used, as far as that is seen without trying. */
export function kvmMissing(): string | undefined {
  if (!existsSync('/dev/kvm'))
    return 'there is no /dev/kvm: load the module kvm_intel or kvm_amd, or allow nested virtualisation'
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return undefined
  } catch {
    return 'this user may not open /dev/kvm: usermod -aG kvm USER'
  }
}

/**
 * KVM where it really boots a machine, TCG otherwise: a /dev/kvm that opens proves nothing. Tried once by whoever asks first; the answer is
 * remembered for this machine, its kernel, and that of its guests. `label`: of the run for which it is tried.
 */
export async function chooseAccelerator(
  qemu: string,
  kernel: Kernel,
  initramfs: string,
  label: string,
  { vmAccelerator, cacheDir } = readSettings(),
): Promise<Accelerator> {
  if (vmAccelerator !== undefined) return { name: vmAccelerator, reason: 'HOLDFAST_VM_ACCELERATOR says so' }
  const missing = kvmMissing()
  if (missing !== undefined) return { name: 'tcg', reason: missing }
  const file = fileOf(cacheDir, qemu, kernel)
  const known = rememberedNow(file)
  if (known !== undefined) return known
  const found = await tryKvm(qemu, kernel, initramfs, label)
  const folder = folderOfMachines({ cacheDir })
  using _ = await lockFolder(folder)
  await writeWhole(folder, file, JSON.stringify(found))
  return found
}

/** What was found when it was tried last, or will be tried. */
export function acceleratorHere(qemu: string, kernel: Kernel | undefined, settings = readSettings()): string {
  const { vmAccelerator, cacheDir } = settings
  if (vmAccelerator !== undefined) return `${vmAccelerator}, as HOLDFAST_VM_ACCELERATOR says`
  const missing = kvmMissing()
  if (missing !== undefined) return toldOf({ name: 'tcg', reason: missing })
  const known = kernel && rememberedNow(fileOf(cacheDir, qemu, kernel))
  if (known === undefined) return 'whether KVM boots a machine is tried with the first'
  return toldOf(known)
}

/** One line for people. What is longer there is part of it: nobody is to think that a bound held which did not. */
export function toldOf({ name, reason }: Accelerator): string {
  if (name === 'kvm') return `by the processor (KVM): ${reason}`
  return `code is translated (TCG), and each bound of a test is ${TRANSLATED_SLOWNESS} times as long: ${reason}`
}

/** How many times as long as elsewhere all may take on such machines. */
export function slownessOf({ name }: Accelerator): number {
  return name === 'kvm' ? 1 : TRANSLATED_SLOWNESS
}

/** It is of one kernel of this machine, one of its guests, and one QEMU. */
function fileOf(cacheDir: string, qemu: string, kernel: Kernel): string {
  const fingerprint = fingerprintOf(kernel, release(), qemu, String(statSync(qemu).mtimeMs))
  return join(folderOfMachines({ cacheDir }), 'accelerators', fingerprint)
}

function rememberedNow(file: string): Accelerator | undefined {
  const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  return age > BELIEVED_MS ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as Accelerator)
}

/** The limit of time is this process's: a machine that hangs must not outlive it, and is found by its label. */
export async function tryKvm(qemu: string, { image }: Kernel, initramfs: string, label: string): Promise<Accelerator> {
  const machine = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-M', 'q35', '-m', '192']
  const boot = ['-kernel', image, '-initrd', initramfs, '-append', `console=ttyS0 quiet panic=-1 ${PROBED}`]
  const whole = [...machine, '-accel', 'kvm', '-cpu', 'host', ...boot, '-serial', 'stdio']
  const [program = '', ...argv] = [...dieWithParent(), qemu, ...whole]
  const env = programEnvironment({ HOLDFAST_RUN: label })
  try {
    const { stdout } = await run(program, argv, { timeout: BOOT_WITHIN_MS, killSignal: 'SIGKILL', env })
    if (stdout.includes(PROBED)) return { name: 'kvm', reason: 'it boots a machine here' }
    return { name: 'tcg', reason: 'KVM ended a machine before it had booted' }
  } catch (cause) {
    const { killed, stderr = '' } = cause as { killed?: boolean; stderr?: string }
    if (killed)
      return { name: 'tcg', reason: `KVM is there, and did not boot a machine within ${BOOT_WITHIN_MS / 1_000} s` }
    return { name: 'tcg', reason: `KVM is there, and boots no machine: ${stderr.trim().split('\n').at(-1)}` }
  }
}
