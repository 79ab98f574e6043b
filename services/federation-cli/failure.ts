/** As spelled in the README: done, refused or failed, usage, unreachable. */
export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3 } as const

/** A command that did not do what it was asked. The message names the thing, the place and the way out, and holds nothing secret. */
export class CommandFailed extends Error {
  readonly code: string
  readonly exitCode: number

  constructor(code: string, message: string, exitCode: number = EXIT.failed) {
    super(message)
    this.name = 'CommandFailed'
    this.code = code
    this.exitCode = exitCode
  }
}
