import { createHash } from 'node:crypto'
import { credentialOf } from '../../harness/credentials/of-kind.ts'
import type { Plan } from '../../harness/topology/plan.ts'
import type { Cell } from '../../harness/trust/cell.ts'
import type { CellClass, Matrix } from '../../harness/trust/matrix.ts'
import { numbered, numberIn } from './numbered.ts'

/** Of a matrix with more cells, those of a place are told by a digest: smaller variants show what changed. */
const mostCells = 5_000

/**
 * Both matrices of a plan, complete and in order: what `check --matrix --json` says of classes, and a line for each cell of
 * `check --matrix --full --json`, with the number of its way: its class, and all that fails.
 */
export function matrixText(plan: Plan, classes: Matrix, full: Matrix): string {
  const counts = `${classes.topology}  ${classes.cells} cells in ${classes.classes.length} classes`
  const cellsByPlace = byPlace(full.classes)
  const places = [...byPlace(classes.classes)].map(([place, own]) =>
    placeText(plan, place, own, cellsByPlace.get(place) ?? [], full.cells <= mostCells),
  )
  return `${[counts, ...places].join('\n\n')}\n`
}

function byPlace(classes: readonly CellClass[]): Map<string, CellClass[]> {
  return Map.groupBy(classes, ({ representative: { target, action } }) => `${target} ${action}`)
}

function placeText(
  plan: Plan,
  place: string,
  classes: readonly CellClass[],
  cells: readonly CellClass[],
  isShown: boolean,
): string {
  const controls = new Set([...classes, ...cells].map(({ control }) => JSON.stringify(control)))
  const { ways, lines } = waysOf(plan, classes, cells)
  const representatives = classes.map(({ count, representative: { target: _, action: __, ...rest } }) => {
    return `${count}  ${JSON.stringify(rest)}`
  })
  return [
    `## ${place}`,
    ...[...controls].map((control) => `control ${control}`),
    'classes: how many cells, the representative',
    ...numbered(representatives),
    'ways: their class, all that fails',
    ...numbered(ways),
    'cells: their way, what is presented',
    ...(isShown ? lines : [`  ${lines.length} lines, SHA-256 ${digest(lines)}`]),
  ].join('\n')
}

function waysOf(plan: Plan, classes: readonly CellClass[], cells: readonly CellClass[]) {
  const keys = classes.map(({ key }) => key)
  const ways: string[] = []
  const lines = cells.map(({ key, representative: cell }) => {
    const at = keys.indexOf(key)
    const expected = JSON.stringify(cell.expected)
    // Cells of a class are expected to end in the same way; one that is not says so.
    const own = expected === JSON.stringify(classes[at]?.representative.expected) ? [] : [expected]
    return `  ${numberIn(ways, [at + 1, ...own, ...cell.fails].join(' '))}  ${presented(plan, cell)}`
  })
  return { ways, lines }
}

/** A certificate that is as it was issued is `own` by itself and beside a token that is bound to it. */
function presented(plan: Plan, { presents: { token, certificate } }: Cell): string {
  const boundTo = token && credentialOf(plan, 'bound-token', token.credential).boundTo
  const fresh = boundTo === undefined || boundTo === certificate?.credential ? 'own' : 'of another'
  const shown = certificate && `${certificate.credential} ${certificate.state === 'fresh' ? fresh : certificate.state}`
  return `${token === undefined ? 'no token' : `${token.credential} ${token.state}`}; ${shown ?? 'none'}`
}

function digest(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}
