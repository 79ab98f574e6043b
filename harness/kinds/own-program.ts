import type { UnitContext } from '../topology/kind.ts'
import { nearest } from '../topology/mistakes.ts'
import type { Command } from '../topology/plan.ts'

// What kinds that run a program of the user's have in common.

type Unit = UnitContext<{ readonly env: Readonly<Record<string, string>> }>
/** Everything that a program is told, by the name of its placeholder; in its environment `HOLDFAST_` stands before it. */
type Told = Readonly<Record<string, string>> & { readonly ca: string }

export function ownCommand(unit: Unit, told: Told, [program = '', ...args]: readonly string[]): Command {
  const filled = (text: string) => text.replaceAll(/@\{([a-z_]+)\}/g, (whole, name) => told[name] ?? whole)
  const own = Object.entries(unit.settings.env).map(([name, value]) => [name, filled(value)])
  const standard = Object.entries(told).map(([name, value]) => [`HOLDFAST_${name.toUpperCase()}`, value])
  return {
    // A name is looked up as a shell would; what has a slash is a file of the user's.
    program: { path: program.includes('/') ? unit.resolve(program) : program },
    args: args.map(filled),
    // Node trusts what this names beside the roots that it knows.
    env: Object.fromEntries([['NODE_EXTRA_CA_CERTS', told.ca], ...standard, ...own]),
    cwd: unit.resolve('.'),
  }
}

/** Reports what stands in such settings and stands for nothing: `@{prot}`. */
export function demandPlaceholders(
  unit: Unit,
  told: Told,
  parts: Readonly<Record<string, readonly string[] | undefined>>,
): void {
  const placeholders = [...Object.keys(told), 'unit']
  const addresses = Object.keys(unit.topology.nodes).map((node) => `address:${node}`)
  const env = Object.entries(unit.settings.env).map(([name, text]) => [`env.${name}`, [text]] as const)
  for (const [path, texts = []] of [...Object.entries(parts), ...env]) {
    for (const [whole, name = ''] of texts.flatMap((text) => [...text.matchAll(/@\{([^}]*)\}/g)])) {
      if ([...placeholders, ...addresses].includes(name)) continue
      const meant = nearest(name, [...placeholders, ...addresses])
      const known = [...Object.keys(told), 'address:NODE'].map((one) => `@{${one}}`).join(', ')
      unit.mistake(
        `settings.${path}`,
        `${whole} stands for nothing; ${meant === undefined ? '' : `did you mean @{${meant}}? `}There are ${known}`,
      )
    }
  }
}
