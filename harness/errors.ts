/**
 * The root of every failure that Holdfast reports.
 *
 * `code` is stable and starts with `HOLDFAST_`; `message` names the thing, the place and the way out.
 * A failure that somebody may catch by its class is one of its own, kept in the file that throws it. What a node agent throws comes
 * out of it as code and message.
 */
export class HoldfastError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** What the command line prints for any failure: one line for each link of the cause chain, never a stack trace. */
export function describeFailure(failure: unknown): string {
  const lines: string[] = []
  for (let link: unknown = failure; link !== undefined && link !== null; link = (link as { cause?: unknown }).cause) {
    const text = link instanceof Error ? link.message : String(link)
    if (!lines.includes(text)) lines.push(text)
    if (link instanceof AggregateError) lines.push(...link.errors.map((inner) => `- ${describeFailure(inner)}`))
  }
  return lines.join('\n  because ')
}
