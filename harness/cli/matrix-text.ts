import { type AcceptedBecause, type ExpectedVerdict, presentedText } from '../trust/cell.ts'
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
  return [verdict, reason, guard, String(count), presentedText(representative)]
}

function cellsOf(expected: ExpectedVerdict): [string, string, string] {
  if (expected.verdict === 'accepted') return ['accepted', why[expected.because], '']
  const { layer, status, error, reason, guard } = expected
  const answer = layer === 'tls' ? 'at TLS' : [status, error].filter((part) => part !== null).join(' ')
  return [`refused ${answer}`, reason, guard]
}

const why = {
  accepts: '',
  operator: 'operator',
  'not asked': 'its issuer is not asked',
  'key kept': 'its keys were read once',
  'not looked at': 'nobody looks at that',
} satisfies Record<AcceptedBecause, string>

function acceptedFirst(one: CellClass, other: CellClass): number {
  return rank(one) - rank(other)
}

function rank({ representative: { expected } }: CellClass): number {
  return expected.verdict === 'accepted' ? 0 : 1
}
