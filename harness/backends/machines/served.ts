import type { RunSettings } from '../../agent/protocol.ts'

/**
 * What is asked of a machine that serves agents (`serve.ts`), as the first line of a connection, in JSON. After it come `bytes` bytes of
 * JSON, where something takes more than a line.
 */
export type Asked = (
  | { op: 'lead'; run: string }
  | { op: 'agents'; run: string; nodes: readonly string[] }
  | { op: 'seat'; run: string; node: string }
  | { op: 'hosts'; run: string }
  | { op: 'read'; run: string; path: string; from?: number | undefined }
  | { op: 'kill'; run: string; nodes: readonly string[] }
  | { op: 'sweep'; run: string }
) & { bytes?: number }

/**
 * Whoever leads a run asks for the lead first, and has it for as long as that stream is open: until then nobody else does, and without it
 * there are no agents, hosts or seats. After the answer each end says a line every so often, for a host that lost its power ends no stream.
 */
export const BEAT_MS = 5_000
/** So long after the last line of the other end it counts as gone: as long as a busy machine may be silent. */
export const SILENT_MS = 30_000

/** By node: the text of its hosts file. */
export type Hosts = Readonly<Record<string, string>>

/** What agents start with. What depends on the machine in `settings` is replaced there. */
export interface Start {
  plan: unknown
  settings: RunSettings
}

/**
 * After `agents`, a line of the agents' own protocol goes each way as it is, but for its first letter. To the machine: `i` and the line, or
 * `.` where their input ends. From it: `o` or `e` and a line of their output or errors, `x` and how they ended.
 */
export const FRAME = { input: 'i', inputEnds: '.', output: 'o', errors: 'e', ended: 'x' } as const

/** Whole lines, however long: what is cut short is no JSON any more. */
export function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    for (const line of lines) onLine(line)
  })
}
