import { spawn } from 'node:child_process'
import { once } from 'node:events'

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a program to its end, with the streams of this process, and hands on the signals that ask for one: whoever started this
 * process knows no other. The program decides when to end. Resolves with `code` and `signal`; rejects where it cannot be started.
 */
export async function runProgram(program, args, options) {
  let child
  // A terminal sends Ctrl-C to both; whoever sends a signal to this process alone means the program.
  const handOn = (signal) => void ((signal === 'SIGINT' && process.stdin.isTTY) || child?.kill(signal))
  // Before the start: a signal in between would end this process alone.
  for (const signal of endings) process.on(signal, handOn)
  try {
    child = spawn(program, args, { stdio: 'inherit', ...options })
    const [code, signal] = await once(child, 'exit')
    return { code, signal }
  } finally {
    for (const signal of endings) process.off(signal, handOn)
  }
}

/**
 * npm starts a program by a shell, and hands signals on to that alone: the shell dies, and nobody tells what it started. So this
 * process ends, as by SIGTERM, when whoever started it is gone.
 */
export function endWithNpm() {
  if (process.env.npm_command === undefined) return
  const parent = process.ppid
  const watching = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watching)
    process.kill(process.pid, 'SIGTERM')
  }, 500)
  watching.unref()
}

/** Ends this process as that program ended. */
export function endAs({ code, signal }) {
  if (signal === null) process.exit(code)
  process.kill(process.pid, signal)
}
