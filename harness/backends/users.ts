import { spawnSync } from 'node:child_process'
import { chmod, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HoldfastError } from '../errors.ts'
import { settings } from '../settings.ts'
import { findSetpriv } from './processes.ts'

/** A user of a unit cannot come to where the runs are. Code `HOLDFAST_RUNTIME_DIR_CLOSED`. */
export class RuntimeFolderClosed extends HoldfastError {
  constructor(folder: string) {
    super(
      'HOLDFAST_RUNTIME_DIR_CLOSED',
      `${folder} cannot be entered by others, and units run as users of their own below it; set HOLDFAST_RUNTIME_DIR to a folder that everybody can reach`,
    )
  }
}

const nobody = '65534'
const preload = new URL('../agent/hosts-preload.mjs', import.meta.url)
let tried: { missing: string | undefined } | undefined

/** Why units cannot run as users of their own here, and what to type; undefined when they can. Tried once. */
export function usersMissing(): string | undefined {
  tried ??= { missing: tryUser() }
  return tried.missing
}

function tryUser(): string | undefined {
  if (process.getuid?.() !== 0) return 'run it as root'
  const setpriv = findSetpriv()
  if (setpriv === undefined) return 'install setpriv (util-linux)'
  const asNobody = ['--reuid', nobody, '--regid', nobody, '--clear-groups', '--']
  const node = [process.execPath, '--import', preload.href, '-e', '0']
  const { status, stderr } = spawnSync(setpriv, [...asNobody, ...node], {
    encoding: 'utf8',
    cwd: '/',
    env: { HOLDFAST_HOSTS: '/etc/hosts' },
  })
  if (status === 0) return undefined
  const [why = ''] = /.*\b(EACCES|EPERM|denied|not permitted|Invalid argument).*/.exec(stderr) ?? stderr.split('\n')
  return `let everybody read ${process.execPath} and ${fileURLToPath(preload)}: as another user, ${why.trim()}`
}

/** Lets users of units pass through the folder of a run to their own, and see nothing on their way. */
export async function openToUsers(folder: string): Promise<void> {
  const { runtimeDir } = settings()
  for (let above = dirname(runtimeDir); above !== dirname(above); above = dirname(above)) {
    if (((await stat(above)).mode & 0o001) === 0) throw new RuntimeFolderClosed(above)
  }
  const made = [join(folder, 'nodes'), join(folder, 'clocks')]
  for (const name of made) await mkdir(name, 0o711)
  for (const passed of [runtimeDir, folder, ...made]) {
    const { mode } = await stat(passed)
    // Not what can be passed already: it may be somebody's who wants more of it.
    if ((mode & 0o001) === 0) await chmod(passed, (mode & 0o7777) | 0o011)
  }
}
