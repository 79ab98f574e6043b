import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { HoldfastError } from '../../errors.ts'
import { settings } from '../../settings.ts'
import { homeOf, networksOf } from '../../topology/networks.ts'
import type { Plan, PlanNode } from '../../topology/plan.ts'

const address = z.string().min(1)

const machine = z.strictObject({
  /** Where its agent is served. */
  address,
  port: z.int().min(1).max(65_535),
  /** Folder of runs there, as `holdfast serve --dir` was told. */
  dir: z.string().startsWith('/'),
  /** By network, for a node that is in several; the first is `address` where none is given. */
  addresses: z.record(z.string(), address).optional(),
})

const machinesFile = z.strictObject({
  /** Relative to this file. */
  keyFile: z.string(),
  /** By node. */
  machines: z.record(z.string(), machine),
  /** Whether machines of nodes that share no network cannot reach each other. */
  networks: z.boolean().default(false),
  /** Addresses of the coordinator's machine that are no node's, by network: tests call from them as strangers. */
  strangers: z.record(z.string(), z.array(address)).default({}),
  /** What whoever has the machines does with them. */
  faults: z
    .strictObject({
      /** Where he looks for requests (`faults.ts`), and leaves answers. */
      folder: z.string().startsWith('/'),
      /** Whether each machine has a kernel and a clock of its own. Without it he cuts machines off from each other, and no more. */
      ownKernel: z.boolean().default(false),
    })
    .optional(),
})

export type Machine = z.output<typeof machine>
export type MachinesFile = z.output<typeof machinesFile>

/** The file of machines cannot be used, or lacks a node. Code `HOLDFAST_MACHINES_FILE`. */
export class MachinesUnusable extends HoldfastError {
  constructor(file: string, what: string, options?: ErrorOptions) {
    super('HOLDFAST_MACHINES_FILE', `${file} ${what}; correct it, or name another one in HOLDFAST_MACHINES`, options)
  }
}

/** What HOLDFAST_MACHINES names; undefined where it is not set. @throws MachinesUnusable */
export function readMachines(file = settings().machines): (MachinesFile & { file: string }) | undefined {
  if (file === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new MachinesUnusable(file, 'is no JSON that can be read', { cause })
  }
  const parsed = machinesFile.safeParse(value)
  if (!parsed.success) throw new MachinesUnusable(file, `is no list of machines: ${z.prettifyError(parsed.error)}`)
  const keyFile = resolve(dirname(file), parsed.data.keyFile)
  return { ...parsed.data, keyFile, file }
}

/** What such a file holds. Rejects what it cannot hold. */
export function parseMachines(value: unknown): MachinesFile {
  return machinesFile.parse(value)
}

/** What a plan asks for that the machines do not have; undefined where they have it all. */
export function lackingFor({ nodes }: Plan, { machines }: MachinesFile): string | undefined {
  const lacking = Object.keys(nodes).filter((node) => !Object.hasOwn(machines, node))
  if (lacking.length > 0) return `has no machine for ${lacking.join(', ')}`
  const outside = Object.values(nodes).flatMap((node) => {
    const addresses = addressesOf(node, machines[node.name]!)
    return networksOf(node).flatMap((network) =>
      addresses[network] === undefined ? [`${node.name} no address in ${network}`] : [],
    )
  })
  return outside.length > 0 ? `gives ${outside.join(', ')}` : undefined
}

/** By node of the plan, its machine and its address in each network. @throws MachinesUnusable */
export function machinesOf(plan: Plan, found: MachinesFile & { file: string }) {
  const lacking = lackingFor(plan, found)
  if (lacking !== undefined) throw new MachinesUnusable(found.file, lacking)
  return Object.fromEntries(
    Object.values(plan.nodes).map((node) => {
      const machine = found.machines[node.name]!
      return [node.name, { ...machine, addresses: addressesOf(node, machine) }]
    }),
  )
}

function addressesOf(node: PlanNode, { address, addresses = { [homeOf(node)]: address } }: Machine) {
  return addresses
}
