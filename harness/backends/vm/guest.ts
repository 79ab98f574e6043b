import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import net, { Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { cachedDataVersionTag } from 'node:v8'
import { runAgents } from '../../agent/agents.ts'
import type { RunSettings } from '../../agent/protocol.ts'
import { type Ending, pass } from '../../agent/seat-server.ts'
import type { Plan } from '../../topology/plan.ts'
import { serveEntry } from './entry.ts'
import type { GuestRequest } from './machine-line.ts'
import { Multiplexer } from './multiplexer.ts'

const run = promisify(execFile)

/** So far may the clock be off after it was set; else it is set once more. On a busy host no try may come so close: after some, less will do. */
const CLOSE_MS = 5
const CLOSE_TRIES = 4
const NEAR_MS = 50
const MOST_TRIES = 20

/**
 * The agent of a machine: `guest.ts FOLDER NODE`, with `plan.json` and `settings.json` in the folder. Everything between it and its host
 * goes over one line, which comes as file descriptor 3 and leaves by 4 (`machine-line.ts` is its other end). Ends when the host ends the
 * agent's stream.
 */
function main(): void {
  const [folder = '', node = ''] = process.argv.slice(2)
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown
  const [plan, settings] = [read('plan.json') as Plan, read('settings.json') as RunSettings]
  const seat = join(settings.dirs[node] as string, 'seat')
  const [input, output] = [new Socket({ fd: 3, writable: false }), new Socket({ fd: 4, readable: false })]
  const requests: Record<GuestRequest, (content: string) => Promise<void>> = {
    clock: () => setClock(line),
    hosts: async (content) => replaceFile('/etc/hosts', content),
  }
  const line = new Multiplexer('guest', input, output, (name, stream) => {
    if (name === 'seat') pass(stream as Ending, net.connect({ path: seat, allowHalfOpen: true }))
    else if (name === 'entry') serveEntry(stream, settings.dirs[node] as string)
    else if (name === 'agent') void start(stream)
    else void answer(stream, requests[name as GuestRequest])
  })
  const start = async (stream: Duplex) => {
    line.open('tag').end(cachedDataVersionTag().toString(16))
    await setClock(line)
    runAgents(plan, [node], settings, { input: stream, output: stream })
  }
}

/** Nothing, or why not. */
async function answer(stream: Duplex, perform: (content: string) => Promise<void>): Promise<void> {
  try {
    await perform(await text(stream.iterator({ destroyOnReturn: false })))
    stream.end()
  } catch (cause) {
    stream.end((cause as Error).message)
  }
}

function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

/** By what the host says. Setting it takes as long as a program takes to start: that is measured, and made up for. */
async function setClock(line: Multiplexer): Promise<void> {
  const hostTime = await askTime(line)
  let startMs = 0
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const off = hostTime() - Date.now()
    if (Math.abs(off) <= (tries < CLOSE_TRIES ? CLOSE_MS : NEAR_MS)) return
    if (tries > 0) startMs += off
    await run('date', ['-u', '-s', `@${((hostTime() + startMs) / 1_000).toFixed(3)}`])
  }
}

/** Of several answers the one that took least is the least off. */
async function askTime(line: Multiplexer): Promise<() => number> {
  const stream = line.open('time')
  let [best, shortest] = [0, Number.POSITIVE_INFINITY]
  for (let asked = 0; asked < 3; asked += 1) {
    const began = performance.now()
    stream.write('?')
    const [said] = (await once(stream, 'data')) as [Buffer]
    const [ended, took] = [performance.now(), performance.now() - began]
    if (took < shortest) [best, shortest] = [Number(said) + took / 2 - ended, took]
  }
  stream.end()
  return () => best + performance.now()
}

main()
