import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { addressesFor } from '../agent/node-context.ts'
import type { RunSettings } from '../agent/protocol.ts'
import { fill } from '../agent/template.ts'
import type { Plan } from '../topology/plan.ts'

/** Removes what a run copied to places outside of it for as long as it goes on; what another run has put there since then stays. */
export async function removeCopies(
  plan: Plan,
  { dirs, addresses }: Pick<RunSettings, 'dirs' | 'addresses'>,
): Promise<void> {
  for (const { name, units } of Object.values(plan.nodes)) {
    const dir = dirs[name] as string
    for (const unit of units) {
      const context = { dir, unitDir: join(dir, 'units', unit.name), ...addressesFor(name, plan, { addresses }, unit) }
      const place = (path: string) => fill(path, context, `${name}/${unit.name}: copy`)
      const made = unit.steps.flatMap((step) => ('copy' in step && step.copy.forRun ? [step.copy] : []))
      const copies = made.map(({ from, to }) => ({ from: place(from), to: place(to.path) }))
      if (!(await Promise.all(copies.map(isOurs))).includes(false)) {
        for (const { to } of copies) await rm(to, { force: true })
      }
    }
  }
}

async function isOurs({ from, to }: { from: string; to: string }): Promise<boolean> {
  const [ours, there] = await Promise.all([from, to].map((path) => readFile(path, 'utf8').catch(() => undefined)))
  return there === undefined || ours === there
}
