/** Exit code of a process that refuses to start because of its configuration (sysexits.h, EX_CONFIG). */
export const EXIT_CONFIG = 78

/**
 * The process must not start. `reason` is the code of guard `start.config`; the message names the thing, the place and the
 * way out, on one line and without any secret.
 */
export class StartFailure extends Error {
  readonly reason: string

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartFailure'
    this.reason = reason
  }
}

/** Ends the process as design.md's START: one line on stderr, exit code 78. Call it before any socket is opened. */
export function exitOnStartFailure(program: string, failure: unknown): never {
  const reason = failure instanceof StartFailure ? failure.reason : 'config_invalid'
  const text = failure instanceof Error ? failure.message : String(failure)
  process.stderr.write(`${program}: ${reason}: ${text.replaceAll(/\s*\n\s*/g, '; ')}\n`)
  process.exit(EXIT_CONFIG)
}
