import { basename } from 'node:path'
import { serviceMain } from '../agent/command.ts'
import type { SiteNode } from '../backends/backend.ts'
import { insiderAt } from '../site/insider.ts'
import { NotInPlan, readRendered, rendered } from '../site/site-files.ts'
import type { Insider } from '../topology/insider.ts'
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

/** @throws NotInPlan where the target's kind does not say how, or it is none of the reference services */
export async function startElsewhere(lab: Lab): Promise<Elsewhere> {
  const node = lab.site.node(lab.target.node)
  const { unit, said } = insiderAt(lab.site, lab.target.node, 'start', lab.target.unit)
  const { command } = unit.service ?? {}
  if (command === undefined || !('service' in command.program)) {
    throw new NotInPlan(lab.site, `${lab.target.name} is none of the reference services`, [])
  }
  const main = serviceMain(command.program.service)
  const own = JSON.parse(await readRendered(lab.site.site, lab.target.node, said.configuration, unit.name)) as Json
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
      const { configuration, ports } = await movedTo(`${folder}/${number}`, own, said, node)
      if (change !== undefined) put(configuration, change.member, () => change.value)
      const path = await write(`${number}.json`, JSON.stringify(configuration))
      const args = command.args
        .map((arg) => (arg === said.configuration ? path : arg))
        .concat(isCheck ? said.check : [])
      const began = performance.now()
      const ended = await node.exec(['node', main, ...args])
      const ms = performance.now() - began
      const isListening = (await Promise.all(ports.map((port) => answers(node, port)))).includes(true)
      return { ...ended, isListening, ms }
    },
    [Symbol.asyncDispose]: async () => {
      await node.exec(['rm', '-r', folder])
    },
  }
}

/** The same configuration with other ports, and with what the program writes in another place. */
async function movedTo(prefix: string, own: Json, said: NonNullable<Insider['start']>, node: SiteNode) {
  const configuration = structuredClone(own)
  const ports: number[] = []
  for (const name of said.listens) {
    const port = await freePort(node)
    ports.push(port)
    put(configuration, name.split('.'), (value) => String(value).replace(/:\d+$/, `:${port}`))
  }
  for (const name of said.writes) put(configuration, name.split('.'), (value) => `${prefix}-${basename(String(value))}`)
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

function put(configuration: Json, member: Member, change: (own: unknown) => unknown): void {
  const last = member.at(-1) ?? ''
  const holder = member.slice(0, -1).reduce((inner, name) => inner[name] as Json, configuration)
  holder[last] = change(holder[last])
}
