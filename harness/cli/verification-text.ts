import type { VerifiedRow } from '../demonstrations/verification.ts'
import { columnsOf, paint, plural, table, wrapped } from './output.ts'

// A verification as people read it: the steps as they are, then what turned each of them red.

/** One row in one line. */
export function toldRow({ step, planted, checks, asExpected }: VerifiedRow): string {
  const name = step.slice(step.indexOf(' ') + 1)
  if (planted === undefined) return `${name}: ${plural(checks, 'check')}`
  return `${asExpected ? 'turned red by' : 'not as it must be with'}: ${planted}`
}

const textWidth = 60

export function renderVerification(rows: readonly VerifiedRow[], within = columnsOf(process.stdout)): string {
  const healthy = rows.filter(({ planted }) => planted === undefined)
  const planted = rows.filter(({ planted }) => planted !== undefined)
  return [
    ...(within < 121 ? healthy.map((row) => stacked(row, within)) : [healthyTable(healthy)]),
    ...(planted.length === 0 ? [] : ['']),
    ...(within < 121
      ? planted.map((row) => stacked(row, within))
      : planted.length === 0
        ? []
        : [plantedTable(planted)]),
  ].join('\n')
}

function healthyTable(rows: readonly VerifiedRow[]): string {
  const cells = rows.flatMap((row) => {
    const [first = '', ...more] = resultOf(row)
    return [[markOf(row), row.step, String(row.checks), first], ...more.map((line) => ['', '', '', line])]
  })
  return table(['', 'step', 'checks', 'on the site as it is'], cells)
}

function plantedTable(rows: readonly VerifiedRow[]): string {
  const cells = rows.flatMap((row) => {
    const [number = ''] = row.step.split(' ')
    const [what = '', ...whatMore] = wrapped(row.planted ?? '', 40)
    const found = resultOf(row)
    const lines = Math.max(whatMore.length + 1, found.length)
    return Array.from({ length: lines }, (_, at) => {
      const own = at === 0 ? [markOf(row), what, number] : ['', whatMore[at - 1] ?? '', '']
      return [...own, found[at] ?? '']
    })
  })
  return table(['', 'what is planted', 'red', 'for what it finds'], cells)
}

/** As lines below each other, where a table has no place. */
function stacked(row: VerifiedRow, within: number): string {
  const head = row.planted === undefined ? `${row.step}: ${plural(row.checks, 'check')}` : `${row.planted}: ${row.step}`
  const [first = '', ...more] = wrapped(head, within - 2)
  const below = texts(row).flatMap((text) => wrapped(text, within - 4).map((line) => `    ${line}`))
  return [`${markOf(row)} ${first}`, ...more.map((line) => `  ${line}`), ...below].join('\n')
}

function markOf({ asExpected }: VerifiedRow): string {
  return asExpected ? paint('green', '✓') : paint('red', '✗')
}

/** What a step found, or what speaks against it. */
function texts({ planted, told, asExpected, found, problems }: VerifiedRow): readonly string[] {
  if (!asExpected) return problems
  if (planted !== undefined) return found
  return told === undefined ? [] : [told]
}

function resultOf(row: VerifiedRow): string[] {
  const lines = texts(row).flatMap((text) => wrapped(text, textWidth))
  if (row.asExpected) return row.planted === undefined ? [paint('green', 'holds'), ...lines] : lines
  return lines.map((line) => paint('red', line))
}

/** What speaks against each row that failed. */
export function problemsOf(rows: readonly VerifiedRow[]): string[] {
  return rows.flatMap(({ step, planted, problems }) => {
    const what = planted === undefined ? step : `${planted}: ${step}`
    return problems.map((problem) => `${what}: ${problem}`)
  })
}
