import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeptSite } from '../site/kept-site.ts'
import type { Plan } from '../topology/plan.ts'
import { describeSite, renderSite } from './describe-site.ts'

/** How to reach the site of a failed scenario, and how to end it. */
export async function keptText(kept: KeptSite): Promise<string> {
  const plan = JSON.parse(await readFile(join(kept.evidence, 'plan.json'), 'utf8')) as Plan
  const nodes = new Map(kept.nodes.map((node) => [node.name, node]))
  const site = { ...kept, plan, nodes, timings: new Map(kept.timings) }
  return renderSite(describeSite(site, kept.pid))
}
