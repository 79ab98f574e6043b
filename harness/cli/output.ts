import { stripVTControlCharacters, styleText } from 'node:util'

/** Results go to stdout, so that they can be piped; everything else goes to stderr. */
export function printResult(text: string): void {
  print(text, process.stdout)
}

export function printNote(text: string): void {
  print(text, process.stderr)
}

function print(text: string, stream: NodeJS.WriteStream): void {
  stream.write(text.endsWith('\n') ? text : `${text}\n`)
}

let jsonPrinted = false

/** Whether stdout has its JSON value already: there is never a second one. */
export function isJsonPrinted(): boolean {
  return jsonPrinted
}

/** The one JSON value that a command with `--json` prints. */
export function printJson(value: unknown): void {
  jsonPrinted = true
  printResult(JSON.stringify(value, null, 2))
}

const marks = { done: ['green', '✓'], failed: ['red', '✗'], note: ['yellow', '!'], working: ['dim', '…'] } as const

/** One line for each phase: `✓ plan       6 nodes, 2 trust domains, backend process`. */
export function printPhase(mark: keyof typeof marks, phase: string, text: string): void {
  const [style, sign] = marks[mark]
  process.stderr.write(`${paint(style, sign, process.stderr)} ${phase.padEnd(10)} ${text}\n`)
}

/** Progress of a build. */
export function printToolchain(line: string): void {
  printPhase('working', 'toolchain', line)
}

type Style = 'green' | 'red' | 'yellow' | 'bold' | 'dim'

/** Colours text when the stream is a terminal and the reader did not decline colours (`NO_COLOR`, `TERM=dumb`). */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream })
}

/**
 * Rows below a header, in columns as wide as their widest cell; the last column is free.
 * Cells may hold colour codes: widths are those of the text that is seen.
 */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header.map((cell) => cell.toUpperCase()), ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => seenWidth(row[column] ?? ''))))
  const padded = (cell: string, column: number) => cell + ' '.repeat(Math.max(0, widths[column]! - seenWidth(cell)))
  return all.map((row) => row.map(padded).join('  ').trimEnd()).join('\n')
}

/** Lines below each other, the first beside a label. */
export function labelled(label: string, lines: readonly string[], width = 11): string[] {
  return lines.map((line, index) => `${(index === 0 ? label : '').padEnd(width)}${line}`)
}

/** Lines of at most `width` characters, broken between words; a longer word stands alone. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

function seenWidth(cell: string): number {
  return [...stripVTControlCharacters(cell)].length
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
