import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { SiteDescription } from '../harness/cli/describe-site.ts'
import { compile } from '../harness/shipped.ts'
import { loadTopology } from '../harness/topology/load.ts'
import type { Plan } from '../harness/topology/plan.ts'
import type { Bench } from './main.ts'
import { interleave, median } from './measure.ts'
import { untilFirstOutput } from './up-to-ready/first-output.ts'
import { renderBareRun } from './up-to-ready/render.ts'

const topology = 'separate-auth'
// Outside of what the process backend hands out.
const subnet = '127.254.254.'

export const bench: Bench = {
  summary: `${topology} from up to ready, against a bare script that starts the same programs`,
  async run() {
    const plan = compile(await loadTopology(topology))
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bare-'))
    const units = { baseline: new Map<string, number[]>(), subject: new Map<string, number[]>() }
    try {
      const bare = async (): Promise<number> => {
        const file = await renderBareRun(plan, folder, subnet)
        return untilFirstOutput([resolve(import.meta.dirname, 'up-to-ready', 'bare.ts'), file], (output) => {
          for (const [ref, ms] of Object.entries(JSON.parse(output) as Record<string, number>))
            add(units.baseline, ref, ms)
        })
      }
      const framework = (): Promise<number> => {
        const main = resolve(import.meta.dirname, '..', 'harness', 'cli', 'main.ts')
        return untilFirstOutput([main, 'up', topology, '--json'], (output) => {
          const { nodes } = JSON.parse(output) as SiteDescription
          for (const node of nodes)
            for (const unit of node.units) add(units.subject, `${node.name}/${unit.name}`, unit.ms ?? 0)
        })
      }
      const measure = await interleave('up to ready, separate-auth', bare, framework, {
        bar: { atMost: 1.4 },
        rounds: 7,
      })
      measure.notes.push(
        pathNote(plan, 'bare script', measure.baseline, units.baseline),
        pathNote(plan, 'holdfast up', measure.subject, units.subject),
        ...unitNotes(units),
      )
      return [measure]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

function add(to: Map<string, number[]>, ref: string, ms: number): void {
  to.set(ref, [...(to.get(ref) ?? []), ms])
}

/** The longest chain of units that wait for each other, and what is left beside it: starting Node, loading, compiling, agents. */
function pathNote(plan: Plan, who: string, total: number, units: ReadonlyMap<string, number[]>): string {
  const ends = new Map<string, number>()
  const endOf = (ref: string): number => {
    const known = ends.get(ref)
    if (known !== undefined) return known
    const [node, name] = ref.split('/') as [string, string]
    const { after } = plan.nodes[node]!.units.find((unit) => unit.name === name)!
    const end = Math.max(0, ...after.map(endOf)) + median(units.get(ref) ?? [0])
    ends.set(ref, end)
    return end
  }
  const path = Math.max(...[...units.keys()].map(endOf))
  const [whole, chain, rest] = [total, path, total - path].map((ms) => `${ms.toFixed(0)} ms`)
  return `${who}: ${whole}, of which ${chain} on the longest chain of units and ${rest} beside it`
}

/** Unit by unit, those first that cost most beyond the bare script. */
function unitNotes(units: { baseline: Map<string, number[]>; subject: Map<string, number[]> }): string[] {
  const rows = [...units.subject].map(([ref, ms]) => {
    const [bare, up] = [median(units.baseline.get(ref) ?? [0]), median(ms)]
    return { ref, bare, up, more: up - bare }
  })
  return rows
    .sort((one, other) => other.more - one.more)
    .map(
      ({ ref, bare, up, more }) =>
        `${ref.padEnd(28)} bare ${bare.toFixed(0).padStart(5)} ms   up ${up.toFixed(0).padStart(5)} ms   ${more >= 0 ? '+' : ''}${more.toFixed(0)}`,
    )
}
