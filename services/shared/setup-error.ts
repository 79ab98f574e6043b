/** What a program of commands could not do: the message names the thing, the place and the way out, and holds nothing secret. */
export class SetupError extends Error {
  readonly code: string
  /** How the program ends. */
  readonly exitCode: number = 1

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}
