import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { environmentWithout } from '../shared/configuration.ts'
import { StepFailed } from './failures.ts'

const LONGEST_CALL_MS = 60_000
/** Told in a failure: where step says more than this, its end counts. */
const LONGEST_REASON = 400
/** Variables by which step takes flags that nobody wrote, or another home. */
const OF_STEP = /^STEP/

/** Runs one command of step in a folder. Secrets reach it by files: everybody sees arguments. @throws StepFailed */
export function step(program: string, folder: string, args: readonly string[]): Promise<void> {
  const options = {
    env: { ...environmentWithout(OF_STEP), HOME: folder, STEPPATH: join(folder, '.step') },
    cwd: folder,
    encoding: 'utf8',
    timeout: LONGEST_CALL_MS,
    killSignal: 'SIGKILL',
  } as const
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, _, stderr) => {
      if (error === null) resolve()
      else reject(new StepFailed(`step ${args.slice(0, 3).join(' ')}`, howEnded(error, stderr)))
    })
    // It asks before it writes over a file, and there is nobody to answer.
    child.stdin?.end()
  })
}

function howEnded({ code, killed, signal, message }: Ended, stderr: string): string {
  const said = stderr
    .trim()
    .replaceAll(/\s*\n\s*/g, '; ')
    .slice(-LONGEST_REASON)
  if (typeof code === 'number') return `ended with exit status ${code}${said && `: ${said}`}`
  if (killed === true) return `did not end within ${LONGEST_CALL_MS / 1000} s`
  if (typeof signal === 'string') return `was ended by ${signal}`
  return `could not be started (${code ?? message}); name the program in the key step`
}

type Ended = Error & { code?: number | string | null; killed?: boolean; signal?: NodeJS.Signals | null }
