import { execFile } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { settings } from '../../settings.ts'
import { administratorFolders } from '../../toolchain/administrators.ts'
import { ImageFailed } from './images.ts'

const run = promisify(execFile)

/** Only what is written takes room here. */
const SIZE = '4G'
const features = ['-t', 'ext4', '-b', '4096', '-m', '0', '-J', 'size=4', '-N', '65536', '-E', 'root_owner=0:0']

/** What is written is on its disk a second later, whoever syncs what; a power loss takes no more. */
export const DISK_OPTIONS = 'nodelalloc,commit=1'

/** An empty disk for a machine. @throws ImageFailed */
export async function makeDisk(path: string): Promise<void> {
  const env = { PATH: [...settings().path, ...administratorFolders].join(':') }
  try {
    await writeFile(path, '', { mode: 0o600 })
    await run('mke2fs', ['-q', '-F', ...features, path, SIZE], { env })
    await chmod(path, 0o600)
  } catch (cause) {
    throw new ImageFailed(cause)
  }
}
