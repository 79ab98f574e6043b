import { answerText } from '../trust/cell.ts'
import type { CellClass, Matrix } from '../trust/matrix.ts'
import { columnsOf, hanging, plural, table } from './output.ts'

/** The matrix for people: a table for each target and action, who is accepted on top; of these nodes only, where some are named. */
export function matrixText({ topology, cells, classes }: Matrix, nodes?: readonly string[]): string {
  const meant = classes.filter(({ representative: { target } }) => nodes?.includes(target) ?? true)
  const left = classes.length - meant.length
  const places = Map.groupBy(meant, ({ representative: { target, action } }) => `${target} ${action}`)
  const tables = [...places].map(([place, alike]) => {
    const { accepted = [], refused = [] } = Object.groupBy(
      alike,
      ({ representative }) => representative.expected.verdict,
    )
    return `${place}\n${table(['verdict', 'reason', 'guard', 'cells', 'such as'], [...accepted, ...refused].map(row))}`
  })
  const counts = `${plural(cells, 'cell')} in ${plural(classes.length, 'class', 'classes')}`
  const meaning = 'cells of one class take the same way through the checks of their target'
  return [
    hanging(`${topology}  ${counts}; ${meaning}`, columnsOf(process.stdout), 2),
    ...tables,
    ...(left === 0
      ? []
      : [`${plural(left, 'more class', 'more classes')} at the nodes around ${nodes!.join(', ')}: --full tells them`]),
  ].join('\n\n')
}

function row({ representative: { expected, name }, count }: CellClass): string[] {
  const verdict =
    expected.verdict === 'accepted'
      ? ['accepted', expected.because === 'accepts' ? '' : (expected.as ?? expected.because), '']
      : [`refused ${answerText(expected)}`, expected.reason, expected.guard]
  return [...verdict, String(count), name]
}
