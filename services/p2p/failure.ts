/** As spelled in the README. */
export const EXIT = { done: 0, runFailed: 1, usage: 2, refused: 3, unreachable: 4 } as const

/** A command that did not do what it was asked. The message names the thing, the place and the way out, and holds nothing secret. */
export class CommandFailed extends Error {
  readonly code: string
  readonly exitCode: number

  constructor(code: string, message: string, exitCode: number) {
    super(message)
    this.name = 'CommandFailed'
    this.code = code
    this.exitCode = exitCode
  }
}
