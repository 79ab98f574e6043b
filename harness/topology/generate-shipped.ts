import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { evaluateNix } from './nix.ts'
import { packageFile } from './package-file.ts'
import type { PackedTopology } from './packed.ts'

/** The shipped topologies as the machine's Nix evaluates them. */
export async function evaluateShipped(): Promise<Record<string, PackedTopology>> {
  const library = fileURLToPath(await packageFile('nix/lib/default.nix'))
  return (await evaluateNix('nix/lib', library, ['-A', 'packed'])) as Record<string, PackedTopology>
}

/** Indented, but for the steps: one line each, so that a change of a topology reads well in a review. */
export function shippedText(shipped: Readonly<Record<string, PackedTopology>>): string {
  const steps: string[] = []
  const text = JSON.stringify(
    shipped,
    (key, value) =>
      key === 'steps' ? value.map((step: unknown) => `@${steps.push(JSON.stringify(step)) - 1}@`) : value,
    2,
  )
  return `${text.replace(/"@([0-9]+)@"/g, (_, index) => steps[index] ?? '')}\n`
}

if (import.meta.main) {
  const file = fileURLToPath(await packageFile('nix/topologies/topologies.json'))
  await writeFile(file, shippedText(await evaluateShipped()))
}
