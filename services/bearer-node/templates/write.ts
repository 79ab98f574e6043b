import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SetupError } from '../../shared/setup-error.ts'
import { environmentExample } from './environment.ts'
import type { Installation } from './installation.ts'
import { launchdJob } from './launchd.ts'
import { systemdUnit } from './systemd.ts'

const TEMPLATES: Readonly<Record<string, (installation: Installation) => string>> = {
  'systemd/holdfast-bearer-node.service': systemdUnit,
  'launchd/io.holdfast.bearer-node.plist': launchdJob,
  'bearer-node.env.example': environmentExample,
}

/** Everybody may read them: none holds a secret. */
const MODE = 0o644

/** Writes each below a folder, over nothing that is there; answers their paths. @throws SetupError */
export function writeTemplates(folder: string, installation: Installation): string[] {
  return Object.entries(TEMPLATES).map(([name, render]) => {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    try {
      writeFileSync(path, render(installation), { flag: 'wx' })
    } catch (failure) {
      if ((failure as NodeJS.ErrnoException).code !== 'EEXIST') throw failure
      throw new SetupError('template_exists', `${path} is there already; name another folder by --out, or take it away`)
    }
    chmodSync(path, MODE)
    return path
  })
}
