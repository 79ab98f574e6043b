import { basename } from 'node:path'
import type { Seat } from '../protocols/seat.ts'
import { insiderAt } from '../site/insider.ts'
import { NotInPlan, readRendered, rendered } from '../site/site-files.ts'
import type { Insider } from '../topology/insider.ts'
import { networkOf } from '../topology/networks.ts'
import type { Lab } from './lab.ts'

/** Where a value stands in a configuration: names and indices. */
type Member = readonly string[]

/** A member of the configuration with another value. */
export interface Change {
  readonly member: Member
  readonly value: unknown
}

type Json = Record<string, unknown>

let count = 0

/**
 * The program of a target, to be started once more beside it: with its own configuration, but for addresses, files that it writes, and
 * a change. @throws NotInPlan where the target's kind does not say how, or it is none of the reference services
 */
export async function startElsewhere(lab: Lab) {
  const node = lab.site.node(lab.target.node)
  const { unit, said } = insiderAt(lab.site, lab.target.node, 'start', lab.target.unit)
  const { command } = unit.service ?? {}
  const seat = node.seatIn(networkOf(lab.plan.nodes[node.name]!, unit))
  if (command === undefined || !('service' in command.program)) {
    throw new NotInPlan(lab.site, `${lab.target.name} is none of the reference services`, [])
  }
  const program = `service:${command.program.service}`
  const own = JSON.parse(await readRendered(lab.site.site, lab.target.node, said.configuration, unit.name)) as Json
  count += 1
  const folder = `${rendered(lab.site.site, node, '@{unit}', unit.name)}/attack-${process.pid}-${count}`
  await node.exec(['mkdir', '-m', '700', folder])
  let starts = 0
  const write = async (name: string, text: string) => {
    const path = `${folder}/${name}`
    await node.exec(['tee', path], { input: text })
    await node.exec(['chmod', '600', path])
    return path
  }
  const start = async (added: readonly string[], change?: Change) => {
    starts += 1
    const name = String(starts)
    const { configuration, ports } = await movedTo(`${folder}/${name}`, own, said, seat)
    if (change !== undefined) put(configuration, change.member, () => change.value)
    const path = await write(`${name}.json`, JSON.stringify(configuration))
    const args = command.args.map((arg) => (arg === said.configuration ? path : arg))
    const began = performance.now()
    const ended = await node.exec([program, ...args, ...added])
    const ms = performance.now() - began
    const isListening = (await Promise.all(ports.map((port) => answers(seat, port)))).includes(true)
    return { ...ended, isListening, ms }
  }
  return {
    /** For the files of the attack: 0700. */
    folder,
    /** Puts a file there, and answers its path. */
    write,
    /** Where members of that name stand in the configuration. */
    members: (name: string) => leavesOf(own).filter((member) => member.at(-1) === name),
    /** Has it look at its own configuration, which it must take: else nothing that it refuses would prove anything. */
    async demandOwnTaken() {
      const { code, stderr } = await start([said.check])
      lab.demand(code === 0, `its own configuration is wrong to it: ${stderr.slice(0, 300)}`)
    },
    /** Starts it with the change: it must end soon, in one line that says all this, and open no socket. Answers that line. */
    async demandRefused(change: Change, says: readonly string[]) {
      const { code, stdout, stderr, isListening, ms } = await start([], change)
      const demand = (holds: boolean, otherwise: string) =>
        lab.demand(holds, `with another ${change.member.join('.')} ${otherwise}`)
      const lines = stderr.trimEnd().split('\n')
      demand(code === 78, `it ends with ${code}, not 78`)
      demand(lines.length === 1 && stdout === '', `it writes ${lines.length} lines, not one: ${stderr}`)
      for (const text of says) demand(stderr.includes(text), `it does not say ${text}, but: ${stderr}`)
      demand(!isListening, 'it opens a socket')
      demand(ms < lab.site.bound(5_000), `it takes ${Math.round(ms)} ms to refuse`)
      return stderr
    },
    async [Symbol.asyncDispose]() {
      await node.exec(['rm', '-r', folder])
    },
  }
}

/** The same configuration with other ports, and with what the program writes in another place. */
async function movedTo(prefix: string, own: Json, said: NonNullable<Insider['start']>, seat: Seat) {
  const configuration = structuredClone(own)
  const ports: number[] = []
  for (const name of said.listens) {
    const port = await freePort(seat)
    ports.push(port)
    put(configuration, name.split('.'), (value) => String(value).replace(/:\d+$/, `:${port}`))
  }
  for (const name of said.writes) put(configuration, name.split('.'), (value) => `${prefix}-${basename(String(value))}`)
  return { configuration, ports }
}

async function freePort(seat: Seat): Promise<number> {
  await using listening = await seat.listen((stream) => stream.destroy())
  return listening.port
}

async function answers(seat: Seat, port: number): Promise<boolean> {
  try {
    const { stream } = await seat.connect({ address: seat.address!, port }, AbortSignal.timeout(1_000))
    stream.destroy()
    return true
  } catch {
    return false
  }
}

function leavesOf(value: unknown, member: Member = []): Member[] {
  if (typeof value !== 'object' || value === null) return [member]
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, [...member, name]))
}

function put(configuration: Json, member: Member, change: (own: unknown) => unknown): void {
  const last = member.at(-1) ?? ''
  const holder = member.slice(0, -1).reduce((inner, name) => inner[name] as Json, configuration)
  holder[last] = change(holder[last])
}
