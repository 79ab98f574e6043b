import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks of /proc in a second: 100 on every Linux, whatever the kernel ticks with. */
const ticksPerSecond = 100

/**
 * CPU time in seconds that this process and all that it started have used, ended children included; undefined where there is no
 * /proc. A loaded machine makes tests take longer, and hardly makes them compute more.
 */
export function cpuSeconds(root: number = process.pid): number | undefined {
  const processes = allProcesses()
  if (!processes.has(root)) return undefined
  let ticks = 0
  const family = [root]
  for (const pid of family) {
    ticks += processes.get(pid)?.ticks ?? 0
    for (const [child, { parent }] of processes) if (parent === pid) family.push(child)
  }
  return ticks / ticksPerSecond
}

function allProcesses(): Map<number, { parent: number; ticks: number }> {
  const processes = new Map<number, { parent: number; ticks: number }>()
  for (const name of namesIn('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      // The second field is the program's name, in parentheses, and may hold anything.
      const [, fields = ''] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? []
      const values = fields.split(' ').map(Number)
      // Own time in user and system mode, and that of children that were waited for.
      const ticks = values.slice(11, 15).reduce((sum, value) => sum + value, 0)
      processes.set(Number(name), { parent: values[1] ?? 0, ticks })
    } catch {
      // It has ended since its name was read.
    }
  }
  return processes
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
