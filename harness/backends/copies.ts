import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunSettings } from '../agent/protocol.ts'
import { fill } from '../agent/template.ts'
import type { Plan } from '../topology/plan.ts'

/** Removes what a run copied to places outside of it for as long as it goes on; what somebody else has put there since then stays. */
export async function removeCopies(
  { nodes }: Plan,
  { dirs, addresses }: Pick<RunSettings, 'dirs' | 'addresses'>,
): Promise<void> {
  const copies = Object.values(nodes).flatMap(({ name, units }) =>
    units.flatMap((unit) => {
      const [dir, address] = [dirs[name] as string, addresses[name] as string]
      const context = { dir, unitDir: join(dir, 'units', unit.name), address, addresses }
      const place = (path: string) => fill(path, context, `${name}/${unit.name}: copy`)
      const made = unit.steps.flatMap((step) => ('copy' in step && step.copy.forRun ? [step.copy] : []))
      return made.map(({ from, to }) => ({ from: place(from), to: place(to.path) }))
    }),
  )
  const text = (path: string) => readFile(path, 'utf8').catch(() => undefined)
  for (const { from, to } of copies) {
    const [ours, there] = [await text(from), await text(to)]
    if (ours !== undefined && ours === there) await rm(to, { force: true })
  }
}
