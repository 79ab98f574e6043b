import { PassThrough, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { Failure } from '../../agent/protocol.ts'
import { firstLine } from '../../agent/seat-server.ts'
import { HoldfastError } from '../../errors.ts'
import type { AgentProcess } from '../agent-link.ts'
import { callWithKey } from './key-stream.ts'
import { type Bounds, keepAlive } from './lead.ts'
import type { Machine } from './machines-file.ts'
import { type Asked, eachLine, FRAME, type Start } from './served.ts'

/** A machine, and the key to it. */
export interface Reach {
  readonly node: string
  readonly key: Buffer
  readonly machine: Pick<Machine, 'address' | 'port'>
}

/** Nobody serves the agent of a node. Code `HOLDFAST_MACHINE_SILENT`. */
export class MachineSilent extends HoldfastError {
  constructor({ node, machine: { address, port } }: Reach, withinMs: number, cause: unknown) {
    const last = (cause as Error).message
    super(
      'HOLDFAST_MACHINE_SILENT',
      `the machine of ${node} did not answer on ${address}:${port} within ${withinMs / 1000} s (last: ${last}); start "holdfast serve" there, with the same key`,
      { cause },
    )
  }
}

/** Opens a stream on which something was asked. Rejects with the error of the system. */
export async function reach({ key, machine }: Reach, asked: Asked, body?: unknown): Promise<TLSSocket> {
  const stream = await callWithKey(key, machine)
  const more = body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body))
  const first = body === undefined ? asked : { ...asked, bytes: more.length }
  stream.write(`${JSON.stringify(first)}\n`)
  if (more.length > 0) stream.write(more)
  return stream
}

/** Asks for what has one answer. Rejects with the failure of the machine, under its code. */
export async function ask<Answer>(to: Reach, asked: Asked, body?: unknown): Promise<Answer> {
  const stream = await reach(to, asked, body)
  stream.end()
  const said = await text(stream)
  if (said === '') throw new MachineSilent(to, 0, new Error('it ended before it had answered'))
  return answered(to, JSON.parse(said))
}

function answered<Answer>({ node }: Reach, answer: unknown): Answer {
  const { value, failure } = answer as { value: Answer; failure?: Failure }
  if (failure === undefined) return value
  throw Object.assign(new HoldfastError(failure.code, `${node}: ${failure.message}`), { code: failure.code })
}

/** What forwards to a machine that is still starting may take a call for it, and lose it. */
const ONE_CALL_MS = 2_000

/** Resolves when all of them answer: machines may still be starting. @throws MachineSilent with the last of what came instead. */
export async function untilServed(machines: readonly Reach[], withinMs: number, signal?: AbortSignal): Promise<void> {
  const end = performance.now() + withinMs
  const until = async (machine: Reach) => {
    for (;;) {
      try {
        return (await callWithKey(machine.key, machine.machine, { withinMs: ONE_CALL_MS, signal })).destroy()
      } catch (cause) {
        signal?.throwIfAborted()
        if (performance.now() > end) throw new MachineSilent(machine, withinMs, cause)
        await wait(100, undefined, { signal })
      }
    }
  }
  await Promise.all(machines.map(until))
}

/**
 * Takes the lead of a run on a machine: until the stream is closed, nobody else has it. It is closed when the machine is gone, too. Rejects with
 * the failure of the machine, under its code: another run may have the lead.
 */
export async function takeLead(to: Reach, run: string, bounds?: Bounds): Promise<TLSSocket> {
  const stream = await reach(to, { op: 'lead', run })
  try {
    answered(to, await firstLine(stream))
  } catch (cause) {
    stream.destroy()
    throw cause
  }
  keepAlive(stream, bounds)
  return stream
}

/**
 * Starts the agents of nodes on their machine. `letGo`: nobody leads them any more, nor will read what they left. `lost`: their machine has no
 * power any more, and nothing more comes of it.
 */
export function startAgents(
  to: Reach,
  { run, nodes }: { run: string; nodes: readonly string[] },
  start: Start,
): AgentProcess & { letGo(): void; lost(): void } {
  const output = new PassThrough()
  const errors = new PassThrough()
  const ended = Promise.withResolvers<{ code: number | null; signal: string | null }>()
  const stream = reach(to, { op: 'agents', run, nodes }, start)
  const over = (how: { code: number | null; signal: string | null }) => {
    output.end()
    errors.end()
    ended.resolve(how)
  }
  const unreachable = (cause: Error) => {
    errors.write(`the machine of ${nodes.join(', ')} cannot be reached: ${cause.message}\n`)
    over({ code: null, signal: null })
  }
  const hear = (line: string) => {
    const [frame, said] = [line.slice(0, 1), line.slice(1)]
    if (frame === FRAME.output) output.write(`${said}\n`)
    else if (frame === FRAME.errors) errors.write(`${said}\n`)
    else if (frame === FRAME.ended) over(JSON.parse(said))
    else unreachable(new Error((JSON.parse(line) as { failure: Failure }).failure.message))
  }
  const letGo = () =>
    void stream.then(
      (connected) => connected.destroy(),
      () => {},
    )
  stream.then((connected) => {
    eachLine(connected, hear)
    connected.once('close', () => over({ code: null, signal: null }))
  }, unreachable)
  return {
    input: framed(stream),
    output,
    errors,
    ended: ended.promise,
    kill: () => void ask(to, { op: 'kill', run, nodes }).catch(() => {}),
    // The machine ends what its agents leave.
    killUnits: () => {},
    letGo,
    lost: () => {
      over({ code: null, signal: 'SIGKILL' })
      letGo()
    },
  }
}

/** Lines for agents. */
function framed(stream: Promise<TLSSocket>): Writable {
  let rest = ''
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _, done) {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() as string
      stream.then(
        (to) => {
          for (const line of lines) to.write(`${FRAME.input}${line}\n`)
          done()
        },
        () => done(),
      )
    },
    final(done) {
      stream.then(
        (to) => to.write(`${FRAME.inputEnds}\n`),
        () => {},
      )
      done()
    },
  })
}
