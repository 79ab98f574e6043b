/** Structured log: one JSON line on stderr for each event. Fields must never hold a token, a key or a whole request. */
export interface Log {
  info(event: string, fields?: Readonly<Record<string, unknown>>): void
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void
  error(event: string, fields?: Readonly<Record<string, unknown>>): void
}

export function createLog(who: { node: string; unit: string }): Log {
  // A log that nobody reads any more (EPIPE), or whose disk is full, is no reason to end a service that others rely on.
  if (!process.stderr.listeners('error').includes(goOn)) process.stderr.on('error', goOn)
  const write = (level: string, event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    process.stderr.write(`${JSON.stringify({ ts: new Date().toISOString(), level, ...who, event, ...fields })}\n`)
  }
  return {
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
  }
}

function goOn(): void {}

/** What of a failure may be logged: its code and its message, never its stack or the values that it carries. */
export function failureFields(failure: unknown): { code?: string; message: string } {
  if (!(failure instanceof Error)) return { message: String(failure) }
  const code = (failure as { code?: unknown }).code
  return { ...(typeof code === 'string' ? { code } : {}), message: failure.message }
}
