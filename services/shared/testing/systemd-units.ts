import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

export function unitsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => /\.(service|timer|path)$/.test(name))
}

/** Every value of a setting, by the unit of a folder. */
export function settingsIn(folder: string): (unit: string, setting: string) => string[] {
  return (unit, setting) => {
    const lines = readFileSync(join(folder, unit), 'utf8').matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))
    return [...lines].map(([, value = '']) => value)
  }
}

/**
 * What systemd says against the units of a folder.
 *
 * @param beside services that they name and that are elsewhere
 * @param planted text of a unit instead of its own
 */
export function complaints(
  folder: string,
  { beside, planted = {} }: { beside: readonly string[]; planted?: Readonly<Record<string, string>> },
): string[] {
  const copy = mkdtempSync(join(tmpdir(), 'holdfast-units-'))
  try {
    cpSync(folder, copy, { recursive: true })
    const units = unitsIn(folder)
    for (const name of units) {
      const text = planted[name] ?? readFileSync(join(folder, name), 'utf8')
      // Programs are elsewhere.
      writeFileSync(join(copy, name), text.replace(/^(ExecStart(?:Pre)?)=\S+/gm, '$1=/bin/true'))
    }
    for (const name of beside) writeFileSync(join(copy, name), '[Service]\nExecStart=/bin/true\n')
    const paths = units.map((name) => join(copy, name.replace('@.', '@instance.')))
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], { encoding: 'utf8' })
    // It has something to say about units of this machine, too.
    const ours = [copy, ...[...units, ...beside].map((name) => name.replace(/@?\.\w+$/, ''))]
    return stderr.split('\n').filter((line) => ours.some((name) => line.includes(name)))
  } finally {
    rmSync(copy, { recursive: true })
  }
}
