import type { RunSettings } from '../../agent/protocol.ts'

/**
 * What is asked of a machine that serves agents (`serve.ts`), as the first line of a connection, in JSON. After it come `bytes` bytes of
 * JSON, where something takes more than a line.
 */
export type Asked = (
  | { op: 'agents'; run: string; nodes: readonly string[] }
  | { op: 'seat'; run: string; node: string }
  | { op: 'hosts'; run: string }
  | { op: 'read'; run: string; path: string; from?: number | undefined }
  | { op: 'kill'; run: string; nodes: readonly string[] }
  | { op: 'sweep'; run: string }
) & { bytes?: number }

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
