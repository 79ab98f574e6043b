import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const limitMs = 60_000

/** From starting a Node program until what it prints is whole JSON; then the program is ended, and waited for. */
export async function untilFirstOutput(argv: string[], whole: (output: string) => void = () => {}): Promise<number> {
  const began = performance.now()
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'pipe'] })
  try {
    const output = await firstJson(child)
    const ms = performance.now() - began
    whole(output)
    return ms
  } finally {
    await end(child)
  }
}

async function firstJson(child: ChildProcess): Promise<string> {
  let [output, told] = ['', '']
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    told += text
  })
  const patience = AbortSignal.timeout(limitMs)
  for await (const chunk of child.stdout!.setEncoding('utf8')) {
    output += chunk
    if (isJson(output)) return output
    patience.throwIfAborted()
  }
  throw new Error(`it ended before it was ready: ${told}`)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // The bare script ends with its input, holdfast by SIGTERM as with Ctrl-C.
  child.stdin!.end()
  if (child.spawnargs.includes('up')) child.kill('SIGTERM')
  await ended
}
