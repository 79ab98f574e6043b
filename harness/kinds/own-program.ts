import { z } from 'zod'
import type { UnitContext } from '../topology/kind.ts'
import { nearest } from '../topology/mistakes.ts'
import { sharedNetwork } from '../topology/networks.ts'
import type { Command, Service } from '../topology/plan.ts'

// What kinds that run a program of the user's have in common.

/** One text or more: a program and its arguments, say. */
export const texts = z.array(z.string().min(1)).min(1)

/** How it is started. */
export const startSettings = {
  run: texts
    .optional()
    .describe(
      'Program and arguments, run in the folder of the topology file. `@{port}`, `@{cert}` and so on are filled in.',
    ),
  image: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Instead of `run`: a container image, which docker runs with the network of this machine and the files that it is told of.',
    ),
}

/** That it is started in one way, or up already. */
export const isThereOnce = [
  ({ run, image, url }: Started & { readonly url?: string | undefined }) =>
    [run, image, url].filter((one) => one !== undefined).length === 1,
  'must have one of run, image and url',
] as const

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

type Started = { readonly run?: readonly string[] | undefined; readonly image?: string | undefined }

/** How a program is started, for people; and what its machine must have for that. */
export function startedBy({ run, image, url }: Started & { readonly url?: string | undefined }) {
  return {
    summary: run?.join(' ') ?? (image === undefined ? `up at ${url}` : `image ${image}`),
    ...(image !== undefined && { machine: ['docker'] }),
  }
}

/** The command of a program or an image; undefined for what is up already. `files`: what it is told that is a file. */
export function startCommand(
  unit: Unit & { readonly settings: Started },
  told: Told & { readonly dir: string },
  files: readonly string[],
): Service['command'] {
  const { run, image } = unit.settings
  if (image === undefined) return run && ownCommand(unit, told, run)
  const { env = {}, ...command } = ownCommand(unit, told, ['docker'])
  const named = Object.keys(env).flatMap((name) => ['-e', name])
  const read = [...new Set(files.map((name) => told[name]!))].filter((path) => path && !path.startsWith(`${told.dir}/`))
  const mounted = [...read.map((path) => `${path}:${path}:ro`), `${told.dir}:${told.dir}`]
  const { nodes } = unit.topology
  const found = Object.entries(nodes).filter(([, node]) => sharedNetwork(nodes[unit.node]!, node) !== undefined)
  const hosts = found.map(([node, { host }]) => `${host}:@{address:${node}}`)
  // Its address is one of this machine, so it gets the network of this machine; and files lie where it is told that they do.
  const network = ['--network', 'host', ...hosts.flatMap((host) => ['--add-host', host])]
  const own = [...network, ...named, ...mounted.flatMap((place) => ['-v', place])]
  return { ...command, env, args: ['run', '--rm', '--init', ...own, image] }
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
      // Whether a node is in a network, all units are asked.
      if ([...placeholders, ...addresses].includes(name.replace(/^(address[^/]*)\/.+$/, '$1'))) continue
      const meant = nearest(name, [...placeholders, ...addresses])
      const known = [...Object.keys(told), 'address:NODE'].map((one) => `@{${one}}`).join(', ')
      unit.mistake(
        `settings.${path}`,
        `${whole} stands for nothing; ${meant === undefined ? '' : `did you mean @{${meant}}? `}There are ${known}`,
      )
    }
  }
}
