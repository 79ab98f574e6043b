import { run } from './node-files.ts'
import type { ScenarioSite } from './scenario-site.ts'
import { NotInPlan } from './site-files.ts'
import { pidOf } from './targets.ts'

type Sited = Pick<ScenarioSite, 'node' | 'site'>

/** When a process began, in ticks since its machine did (proc(5)): the same number is another process's once this one has ended. */
const BEGAN = `began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }`

/**
 * From now on no file of a unit grows beyond so many bytes, as if its disk were full; nothing else on the node is touched, and file modes
 * alone would not stop a unit of root. Answers what takes that back, of that very process: one that has ended has taken it along.
 */
export async function fillDisk(site: Sited, node: string, unit: string, bytes: number): Promise<() => Promise<void>> {
  const pid = pidOf(site.site, node, unit)
  if (pid === undefined) throw new NotInPlan(site.site, `the site has not started unit ${node}/${unit}`, [])
  const began = (await run(site, node, 'sh', '-c', `${BEGAN}; began "$0"`, String(pid))).trim()
  await run(site, node, 'prlimit', '--pid', String(pid), `--fsize=${bytes}:`)
  const free = `${BEGAN}; [ "$(began "$0")" != "$1" ] || exec prlimit --pid "$0" --fsize=unlimited:`
  let isFull = true
  return async () => {
    if (isFull) await run(site, node, 'sh', '-c', free, String(pid), began)
    isFull = false
  }
}
