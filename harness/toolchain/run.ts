import { execFile } from 'node:child_process'
import { userEnvironment } from '../settings.ts'

export interface RunResult {
  /** Exit code, or undefined when the program could not be started or did not end in time. */
  code: number | undefined
  stdout: string
  stderr: string
}

/** Runs a program that answers a question (its version, say) and is not trusted to end: killed after `timeoutMs`. */
export function ask(
  program: string,
  args: readonly string[],
  { timeoutMs = 10_000, cwd }: { timeoutMs?: number; cwd?: string } = {},
): Promise<RunResult> {
  return new Promise((resolve) => {
    const options = {
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      cwd,
      env: userEnvironment(),
      encoding: 'utf8',
    } as const
    execFile(program, args, options, (failure, stdout, stderr) => {
      const code = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : undefined
      resolve({ code, stdout, stderr })
    })
  })
}
