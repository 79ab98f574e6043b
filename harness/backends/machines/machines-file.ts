import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { HoldfastError } from '../../errors.ts'
import { settings } from '../../settings.ts'
import { homeOf, networksOf } from '../../topology/networks.ts'
import type { Plan } from '../../topology/plan.ts'

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
  /** Addresses of the coordinator's machine that are no node's: tests call from them as strangers. */
  strangers: z.array(address).default([]),
  /** Folder in which whoever has the machines looks for requests (`faults.ts`), does what they say, and leaves answers. */
  faults: z.string().optional(),
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

/** By node of the plan, its machine and its address in each network. @throws MachinesUnusable */
export function machinesOf({ nodes }: Plan, { file, machines }: MachinesFile & { file: string }) {
  const lacking = Object.keys(nodes).filter((node) => !Object.hasOwn(machines, node))
  if (lacking.length > 0) throw new MachinesUnusable(file, `has no machine for ${lacking.join(', ')}`)
  return Object.fromEntries(
    Object.values(nodes).map((node) => {
      const machine = machines[node.name]!
      const { addresses = { [homeOf(node)]: machine.address } } = machine
      const outside = networksOf(node).filter((network) => addresses[network] === undefined)
      if (outside.length > 0) {
        throw new MachinesUnusable(file, `gives ${node.name} no address in ${outside.join(', ')}`)
      }
      return [node.name, { ...machine, addresses }]
    }),
  )
}
