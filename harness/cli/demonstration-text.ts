import type { DemonstratedRow } from '../demonstrations/demonstration.ts'
import { paint, table, wrapped } from './output.ts'

/** The rows of a demonstration as a table for people. */
export function renderDemonstration(rows: readonly DemonstratedRow[]): string {
  const cells = rows.flatMap((row, index) => {
    const mark = row.asExpected ? paint('green', '✓') : paint('red', '✗')
    const saidBy = row.saidBy ? `${row.saidBy.node} #${row.saidBy.seq} ${row.saidBy.guard ?? ''}`.trimEnd() : 'nobody'
    const [presents = '', ...presentsMore] = wrapped(row.presents, textWidth + 2)
    const [first = '', ...more] = [
      ...presentsMore,
      ...(row.asExpected
        ? lines([row.because, besideText(row)]).map((line) => paint('dim', line))
        : lines(row.problems).map((line) => paint('red', line))),
    ]
    return [
      [mark, String(index + 1), `${row.from} → ${row.to}`, presents, colouredOutcome(row), saidBy],
      ['', '', '', first, row.received.reason ?? '', ''],
      ...more.map((line) => ['', '', '', line, '', '']),
    ]
  })
  return table(['', '', 'who called whom', 'and presented', 'answer', 'said by'], cells)
}

/** The table stays as narrow as a terminal: 120 columns with the widest names of the demonstration. */
const textWidth = 52

function lines(texts: readonly string[]): string[] {
  return texts.filter(Boolean).flatMap((text) => wrapped(text, textWidth).map((line) => `  ${line}`))
}

function besideText({ control }: DemonstratedRow): string {
  if (control === undefined) return ''
  const what = control.row === undefined ? `the same with ${control.credential} itself` : `row ${control.row}`
  return `beside: ${what}, accepted`
}

function colouredOutcome({ received }: DemonstratedRow): string {
  return paint(received.verdict === 'accepted' ? 'green' : 'yellow', received.answer)
}
