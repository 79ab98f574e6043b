import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

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
 * npm starts a program by a shell, and hands signals on to that alone, or to nobody: one of the two dies, and nobody tells what it
 * started. So this process ends, as by SIGTERM, when whoever started it is gone.
 */
export function endWithNpm() {
  if (process.env.npm_command === undefined) return
  const end = () => process.kill(process.pid, 'SIGTERM')
  const starters = npmAndItsShell()
  if (cameTooLate()) {
    process.stderr.write(
      'error: npm, or its shell, ended before this began; what is to outlive them: holdfast up --detach\n',
    )
    return end()
  }
  const watching = setInterval(() => {
    if (npmAndItsShell() === starters) return
    clearInterval(watching)
    end()
  }, 500)
  watching.unref()
}

/** The shell that started this process and the npm that started the shell; or npm alone, as where the shell made way for this process. */
function npmAndItsShell() {
  try {
    const { parent } = processOf('self')
    return isShell(parent) ? `${parent} ${processOf(parent).parent}` : `${parent}`
  } catch {
    // Only Linux tells.
    return `${process.ppid}`
  }
}

/** Whether npm or its shell had gone before this process looked for them: whom it finds then took over what they had left. */
function cameTooLate() {
  try {
    const self = processOf('self')
    return isLeft(self) || (isShell(self.parent) && isLeft(processOf(self.parent)))
  } catch {
    return false
  }
}

/** A process that leads no session is in that of whoever started it. Where its parent is in another, it has got another parent. */
function isLeft({ pid, parent, session }) {
  return session !== pid && processOf(parent).session !== session
}

function isShell(pid) {
  const [, option] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  return option === '-c'
}

function processOf(name) {
  const text = readFileSync(`/proc/${name}/stat`, 'utf8')
  // The name of its program, in brackets, may hold anything; behind it stand the state, the parent, the group and the session.
  const [, parent, , session] = text.split(') ').at(-1).split(' ')
  return { pid: Number.parseInt(text, 10), parent: Number(parent), session: Number(session) }
}

/** Ends this process as that program ended. */
export function endAs({ code, signal }) {
  if (signal === null) process.exit(code)
  process.kill(process.pid, signal)
}
