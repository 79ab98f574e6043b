import { run } from './node-files.ts'
import type { ScenarioSite } from './scenario-site.ts'
import { NotInPlan } from './site-files.ts'
import { pidOf } from './targets.ts'

/**
 * From now on no file of a unit grows beyond so many bytes, as if its disk were full; nothing else on the node is touched, and file modes
 * alone would not stop a unit of root. Answers what takes that back.
 */
export async function fillDisk(site: ScenarioSite, node: string, unit: string, bytes: number) {
  const pid = pidOf(site.site, node, unit)
  if (pid === undefined) throw new NotInPlan(site, `the site has not started unit ${node}/${unit}`, [])
  const bound = (most: number | 'unlimited') => run(site, node, 'prlimit', '--pid', String(pid), `--fsize=${most}:`)
  await bound(bytes)
  let isFull = true
  return async () => {
    if (isFull) await bound('unlimited')
    isFull = false
  }
}
