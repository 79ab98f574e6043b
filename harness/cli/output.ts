import { stripVTControlCharacters, styleText } from 'node:util'

/** Results go to stdout, so that they can be piped; everything else goes to stderr. */
export function printResult(text: string): void {
  clearProgress()
  print(text, process.stdout)
}

export function printNote(text: string): void {
  clearProgress()
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

let isQuiet = false

/** From now on phases and progress are not told. */
export function beQuiet(): void {
  isQuiet = true
}

/** One line for each phase: `✓ plan       6 nodes, 2 trust domains, backend process`. */
export function printPhase(mark: keyof typeof marks, phase: string, text: string): void {
  if (isQuiet) return
  clearProgress()
  const [style, sign] = marks[mark]
  const [first = '', ...more] = wrapped(text, columnsOf(process.stderr) - 13)
  const lines = [
    `${paint(style, sign, process.stderr)} ${phase.padEnd(10)} ${first}`,
    ...more.map((line) => ' '.repeat(13) + line),
  ]
  process.stderr.write(`${lines.join('\n')}\n`)
}

let shownProgress = ''
let progressAt = 0
/** Where lines cannot be written over, as in a log of CI. */
const progressEveryMs = 15_000

/** How far a phase is: written over by what comes next on a terminal, and told from time to time elsewhere. */
export function printProgress(phase: string, text: string): void {
  const stream = process.stderr
  const isDue = performance.now() - progressAt >= (stream.isTTY ? 100 : progressEveryMs)
  if (isQuiet || !isDue) return
  if (!stream.isTTY) printPhase('working', phase, text)
  progressAt = performance.now()
  if (!stream.isTTY) return
  clearProgress()
  shownProgress = `… ${phase.padEnd(10)} ${text}`.slice(0, stream.columns - 1)
  stream.write(paint('dim', shownProgress, stream))
}

function clearProgress(): void {
  if (shownProgress !== '') process.stderr.write('\r\u001b[K')
  shownProgress = ''
}

/** Columns of a terminal; lines that go elsewhere are never broken. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY ? Math.max(40, stream.columns) : Number.POSITIVE_INFINITY
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
 * Rows below a header, in columns as wide as their widest cell, or as the terminal allows: what is longer goes on below. The last column is
 * free. Cells may hold colour codes: widths are those of the text that is seen.
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  within = columnsOf(process.stdout),
): string {
  const all = [header.map((cell) => cell.toUpperCase()), ...rows]
  const widest = (column: number, parts: (cell: string) => readonly string[]) =>
    Math.max(...all.flatMap((row) => parts(row[column] ?? '')).map(seenWidth))
  const widths = fitted(
    header.map((_, column) => widest(column, (cell) => [cell])),
    header.map((_, column) =>
      Math.min(
        longestWord,
        widest(column, (cell) => cell.split(' ')),
      ),
    ),
    within,
  )
  const padded = (cell: string, column: number) => cell + ' '.repeat(Math.max(0, widths[column]! - seenWidth(cell)))
  return all
    .flatMap((row) => {
      const cells = row.map((cell, column) => {
        return seenWidth(cell) <= widths[column]! ? [cell] : wrapped(stripVTControlCharacters(cell), widths[column]!)
      })
      const height = Math.max(...cells.map(({ length }) => length))
      return Array.from({ length: height }, (_, at) => cells.map((lines) => lines[at] ?? ''))
    })
    .map((row) => row.map(padded).join('  ').trimEnd())
    .join('\n')
}

/** A longer word, the path of a file say, keeps no column wide. */
const longestWord = 30

/** Widths of columns that fit in beside each other: the widest give way, down to their longest words. */
function fitted(natural: readonly number[], least: readonly number[], within: number): number[] {
  const widths = [...natural]
  for (let over = widths.reduce((sum, width) => sum + width + 2, -2) - within; over > 0; over -= 1) {
    const spare = widths.map((width, column) => (width > least[column]! ? width : 0))
    if (Math.max(...spare) === 0) break
    widths[spare.indexOf(Math.max(...spare))]! -= 1
  }
  return widths
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

/** A line that goes on below itself, `indent` columns from the left. */
export function hanging(line: string, width: number, indent: number): string {
  if (seenWidth(line) <= width) return line
  const [lead = ''] = /^ */.exec(line) ?? []
  const [first = '', ...more] = wrapped(line.slice(lead.length), width - Math.max(indent, lead.length))
  return [lead + first, ...more.map((one) => ' '.repeat(indent) + one)].join('\n')
}

export function seenWidth(cell: string): number {
  return [...stripVTControlCharacters(cell)].length
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
