import { answerText, type ExpectedVerdict } from '../trust/cell.ts'
import type { CellClass, Matrix } from '../trust/matrix.ts'
import { plural, table } from './output.ts'

/** The matrix for people: a table for each target and action, who is accepted on top. */
export function matrixText({ topology, cells, classes }: Matrix): string {
  const places = Map.groupBy(classes, ({ representative: { target, action } }) => `${target} ${action}`)
  const tables = [...places].map(([place, alike]) =>
    [place, table(['verdict', 'reason', 'guard', 'cells', 'such as'], alike.toSorted(acceptedFirst).map(row))].join(
      '\n',
    ),
  )
  const counts = `${plural(cells, 'cell')} in ${plural(classes.length, 'class', 'classes')}`
  return [
    `${topology}  ${counts}; cells of one class take the same way through the checks of their target`,
    ...tables,
  ].join('\n\n')
}

function row({ representative, count }: CellClass): string[] {
  const { expected } = representative
  const [verdict, reason, guard] = cellsOf(expected)
  return [verdict, reason, guard, String(count), representative.name]
}

function cellsOf(expected: ExpectedVerdict): [string, string, string] {
  if (expected.verdict === 'accepted') return ['accepted', expected.because === 'accepts' ? '' : expected.because, '']
  return [`refused ${answerText(expected)}`, expected.reason, expected.guard]
}

function acceptedFirst(one: CellClass, other: CellClass): number {
  return rank(one) - rank(other)
}

function rank({ representative: { expected } }: CellClass): number {
  return expected.verdict === 'accepted' ? 0 : 1
}
