import { fileURLToPath } from 'node:url'
import { nodeArguments } from '../agent/command.ts'
import type { SiteNode } from '../backends/backend.ts'
import { NotInPlan, readRendered, rendered } from '../site/site-files.ts'
import type { PlanUnit } from '../topology/plan.ts'
import type { Lab } from './lab.ts'

/** Where a value stands in a configuration: names and indices. */
type Member = readonly string[]

/** How a start ended. */
export interface EndedStart {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Whether anything listens at one of its addresses now. */
  readonly isListening: boolean
  readonly ms: number
}

/** The program of a target, started once more beside it: with its own configuration, but for addresses, files that it writes, and a change. */
export interface Elsewhere extends AsyncDisposable {
  /** A folder (0700) for the files of the attack. */
  readonly folder: string
  /** Where members of that name stand in the configuration. */
  members(name: string): Member[]
  /** Puts a file there, and answers its path; without a text there is none at that path. */
  write(name: string, text: string | undefined): Promise<string>
  /** Starts it, until it ends: it must end by itself. `isCheck`: it only looks at its configuration. */
  start(options: { change?: { member: Member; value: unknown }; isCheck?: boolean }): Promise<EndedStart>
}

type Json = Record<string, unknown>

let count = 0

/** @throws NotInPlan where the target is no service with a JSON configuration */
export async function startElsewhere(lab: Lab): Promise<Elsewhere> {
  const node = lab.site.node(lab.target.node)
  const { unit } = lab
  const file = unit.files.find(({ json }) => json !== undefined)
  const program = unit.service?.command?.program
  if (!file || !program || !('service' in program)) {
    throw new NotInPlan(lab.site.site, `${lab.target.name} is no service with a configuration`, [])
  }
  const own = JSON.parse(await readRendered(lab.site.site, lab.target.node, file.path, unit.name)) as Json
  count += 1
  const folder = `${rendered(lab.site.site, node, '@{unit}', unit.name)}/attack-${process.pid}-${count}`
  await node.exec(['mkdir', '-m', '700', folder])
  let starts = 0
  const write = async (name: string, text: string | undefined) => {
    const path = `${folder}/${name}`
    if (text === undefined) return path
    await node.exec(['tee', path], { input: text })
    await node.exec(['chmod', '600', path])
    return path
  }
  return {
    folder,
    write,
    members: (name) => leavesOf(own).flatMap(({ member }) => (member.at(-1) === name ? [member] : [])),
    start: async ({ change, isCheck = false }) => {
      starts += 1
      const number = starts
      const { configuration, ports } = await movedTo(`${folder}/${number}`, own, unit, node)
      if (change !== undefined) put(configuration, change.member, change.value)
      const path = await write(`${number}.json`, JSON.stringify(configuration))
      const args = ['--config', path, ...(isCheck ? ['--check-config'] : [])]
      const began = performance.now()
      const ended = await node.exec([process.execPath, ...nodeArguments(), mainOf(program.service), ...args])
      const ms = performance.now() - began
      const isListening = (await Promise.all(ports.map((port) => answers(node, port)))).includes(true)
      return { ...ended, isListening, ms }
    },
    [Symbol.asyncDispose]: async () => {
      await node.exec(['rm', '-r', folder])
    },
  }
}

function mainOf(service: string): string {
  const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`../../services/${service}/main.${suffix}`, import.meta.url))
}

/** The same configuration with other ports, and with what the program writes in another place. */
async function movedTo(prefix: string, own: Json, unit: PlanUnit, node: SiteNode) {
  const configuration = structuredClone(own)
  const ports: number[] = []
  for (const { member, value } of leavesOf(own).filter(({ member }) => member.includes('listen'))) {
    const port = await freePort(node)
    ports.push(port)
    put(configuration, member, String(value).replace(/:\d+$/, `:${port}`))
  }
  if (unit.service?.decisionLog !== undefined) configuration.decisionLog = `${prefix}-decisions.jsonl`
  if (configuration.storage !== undefined) put(configuration, ['storage', 'path'], `${prefix}-state.db`)
  return { configuration, ports }
}

async function freePort({ seat }: SiteNode): Promise<number> {
  await using listening = await seat.listen((stream) => stream.destroy())
  return listening.port
}

async function answers({ seat, address }: SiteNode, port: number): Promise<boolean> {
  try {
    const { stream } = await seat.connect({ address, port }, AbortSignal.timeout(1_000))
    stream.destroy()
    return true
  } catch {
    return false
  }
}

function leavesOf(value: unknown, member: Member = []): { member: Member; value: unknown }[] {
  if (typeof value !== 'object' || value === null) return [{ member, value }]
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, [...member, name]))
}

function put(configuration: Json, member: Member, value: unknown): void {
  const last = member.at(-1) ?? ''
  const holder = member.slice(0, -1).reduce((inner, name) => inner[name] as Json, configuration)
  holder[last] = value
}
