import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { environmentWithout } from '../shared/configuration.ts'
import { NscFailed } from './failures.ts'

const LONGEST_CALL_MS = 60_000
const LONGEST_ANSWER_BYTES = 4 * 1_048_576
/** Told in a failure: where nsc says more than this, its end counts. */
const LONGEST_REASON = 400

/** Variables by which nsc looks elsewhere than in the folders that it is given, or trusts and shows another certificate. */
const OF_NSC = /^(NSC_|NKEYS_PATH$|NATS_(CA|KEY|CERT)$|XDG_)/
/** A seed of any sort: never part of a message, whatever nsc may print. */
const SEED = /\bS[A-Z][A-Z2-7]{40,}/g

/** nsc with a store of its own. One call takes some tens of milliseconds; those that write must not overlap. */
export class Nsc {
  readonly #program: string
  readonly #folder: string

  /** `folder`: of the store. */
  constructor(program: string, folder: string) {
    this.#program = program
    this.#folder = folder
  }

  /**
   * Runs one command to its end.
   *
   * @returns what it printed
   * @throws NscFailed unless it ended with 0 and had nothing to complain about
   */
  async run(args: readonly string[], { signal }: { signal?: AbortSignal } = {}): Promise<string> {
    const command = `nsc ${args.join(' ')}`
    const { error, stdout, stderr } = await this.#execute(args, signal)
    const said = reasonIn(stderr)
    if (error !== null) throw new NscFailed(command, `${howEnded(error)}${said && `: ${said}`}`)
    if (said !== '') throw new NscFailed(command, `ended with 0 and complained: ${said}`)
    return stdout
  }

  #execute(args: readonly string[], signal?: AbortSignal): Promise<Ended> {
    const places = { '--data-dir': 'stores', '--keystore-dir': 'keys', '--config-dir': 'config' }
    const flags = Object.entries(places).flatMap(([flag, name]) => [flag, join(this.#folder, name)])
    const options = {
      // Elsewhere a home would be looked for, and written to.
      env: { ...environmentWithout(OF_NSC), HOME: this.#folder },
      cwd: this.#folder,
      encoding: 'utf8',
      timeout: LONGEST_CALL_MS,
      killSignal: 'SIGKILL',
      maxBuffer: LONGEST_ANSWER_BYTES,
      signal,
    } as const
    return new Promise((resolve) => {
      execFile(this.#program, [...args, ...flags], options, (error, stdout, stderr) => {
        resolve({ error, stdout, stderr })
      })
    })
  }
}

interface Ended {
  error: (Error & { code?: number | string | null; killed?: boolean; signal?: NodeJS.Signals | null }) | null
  stdout: string
  stderr: string
}

function howEnded({ code, killed, signal, message }: NonNullable<Ended['error']>): string {
  if (typeof code === 'number') return `ended with exit status ${code}`
  if (killed === true) return `did not end within ${LONGEST_CALL_MS / 1000} s`
  if (typeof signal === 'string') return `was ended by ${signal}`
  return `could not be started (${code ?? message}); name the program in the key nsc`
}

function reasonIn(stderr: string): string {
  const text = stderr.trim().replaceAll(/\s*\n\s*/g, '; ')
  return text.replaceAll(SEED, '(seed)').slice(-LONGEST_REASON)
}
