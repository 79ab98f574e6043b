import net from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Ended, Entry } from './entry.ts'
import { Multiplexer } from './multiplexer.ts'

/**
 * Runs a command on a machine, with the streams of this process: `enter.ts SOCKET COMMAND...`. `SOCKET` is where whoever holds the run
 * brings what is said to the machine.
 */
function main(): void {
  const [socket = '', ...argv] = process.argv.slice(2)
  if (argv.length === 0) fail('usage: enter SOCKET COMMAND...')
  const stream = net.connect({ path: socket, allowHalfOpen: true })
  const over = () => fail(`nobody brings ${socket} to a machine any more; is the run still up?`)
  stream.on('error', over)
  stream.once('close', over)
  const said: Promise<unknown>[] = []
  const show = (from: Duplex, to: NodeJS.WritableStream) => {
    said.push(new Promise((resolve) => from.once('end', resolve)))
    from.pipe(to, { end: false })
  }
  const line = new Multiplexer('host', stream, stream, (name, from) => {
    if (name === 'out') show(from, process.stdout)
    else if (name === 'err') show(from, process.stderr)
    else void text(from).then((ended) => end(JSON.parse(ended) as Ended), over)
  })
  const end = async ({ code, failure }: Ended) => {
    await Promise.all(said)
    stream.off('close', over)
    if (failure !== undefined) process.stderr.write(`${failure}\n`)
    process.exitCode = code
    stream.destroy()
    // A terminal, and a pipe that somebody holds open, would keep this process.
    process.stdin.unpipe().destroy()
  }
  const run = line.open('run')
  run.write(`${JSON.stringify({ argv } satisfies Entry)}\n`)
  process.stdin.on('error', () => {}).pipe(run)
}

function fail(why: string): never {
  process.stderr.write(`${why}\n`)
  process.exit(1)
}

main()
