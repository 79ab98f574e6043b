import { expect, type TestAPI, test as vitestTest } from 'vitest'
import { settings } from '../settings.ts'
import type { CallOptions } from '../site/call.ts'
import { CellCredentials } from '../site/cell-credentials.ts'
import { demandJudged } from '../site/evidence-text.ts'
import type { ScenarioOptions } from '../site/ground.ts'
import { hopAtFault } from '../site/hop-at-fault.ts'
import {
  acceptanceProblems,
  type ExpectedRefusal,
  expectedRefusal,
  expectedText,
  refusalProblems,
} from '../site/judge.ts'
import {
  demandTried,
  differenceText,
  type Judged,
  judgedAsDiffering,
  type KnownDifference,
  type KnownDifferences,
} from '../site/known-differences.ts'
import type { SharedControls } from '../site/ledger.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import { processOf, targetOf } from '../site/targets.ts'
import type { About } from '../site/told-failure.ts'
import type { Verdict } from '../site/verdict.ts'
import type { ActionVerification, Way } from '../topology/verification.ts'
import { type Cell, cellCaller, cellEnds } from '../trust/cell.ts'
import { type CellClass, checksOf, deriveMatrix, type Matrix, placeText } from '../trust/matrix.ts'
import { Gates } from './gates.ts'
import { type ScenarioFixtures, scenarioOn, shippedParts, skipNotOurs } from './scenario.ts'

export interface MatrixOptions extends ScenarioOptions {
  /** Every cell is tried, not one of each class. Default: what the settings say. */
  full?: boolean
  /** Cells at which a target is known to come out otherwise: each is expected to, and fails once it does not. */
  differs?: KnownDifferences
}

/**
 * Makes one test of each class of cells of a topology: everything that it accepts is accepted there, everything else that can be tried
 * with its credentials is refused, for the reason that follows from what it declares.
 *
 * @example
 * await matrix('separate-auth')
 */
export async function matrix(topology: string, options: MatrixOptions = {}): Promise<void> {
  const parts = shippedParts(topology, options)
  const { live, plan } = await parts()
  const { credentialKinds } = await import('../shipped.ts')
  const planned = await plan()
  const { classes, unisolated } = deriveMatrix(planned, credentialKinds, { full: options.full ?? settings().full })
  const all = withDifferences(classes, options.differs ?? {})
  // Some cells change the site for good.
  const test = scenarioOn({ ...options, own: true }, parts)
  const made = new WeakMap<object, CellCredentials>()
  const on = (site: ScenarioSite): Tried => {
    const credentials = made.get(site.site) ?? new CellCredentials(site.site, live)
    made.set(site.site, credentials)
    return { site, credentials }
  }
  const checks = checksOf(credentialKinds)
  const gates = new Gates()
  const byEnd = Map.groupBy(all, ({ representative }) => cellEnds(representative, credentialKinds))
  for (const [target, own] of Map.groupBy(byEnd.get(undefined) ?? [], placeOf)) {
    vitestTest.describe(target, () => {
      for (const one of own.toSorted((a, b) => Number(isControl(b)) - Number(isControl(a)))) {
        test(sentence(one), async ({ site, skip }) => {
          gates.pass(target, skip)
          site.about = aboutOf(one, checks)
          const tried = tryCell(on(site), one, site.shareControls())
          await (isControl(one) ? gates.open(target, () => tried) : skipNotOurs(skip, tried))
        })
      }
    })
  }
  const accepts = all.filter(({ representative: { expected } }) => expected.verdict === 'accepted')
  if (accepts.length > 0) closeControls(test, gates, all.map(placeOf))
  // What ends everything else of an issuer is done once, for all of them, when nothing else is left to try.
  byEnd.delete(undefined)
  for (const [end, own] of byEnd) {
    vitestTest.describe(`after ${end}`, () => {
      for (const one of own) {
        test(`${placeOf(one)}: ${sentence(one)}`, ({ site, skip }) => {
          gates.pass(placeOf(one), skip)
          site.about = aboutOf(one, checks)
          return skipNotOurs(skip, tryLast(on(site), { ...one, control: controlAlike(one, accepts) }, own))
        })
      }
    })
  }
  for (const one of unisolated) {
    if (targetOf({ plan: planned }, one.target, one.action).proof?.proof === 'status alone') nameUnproven(one)
  }
}

/** What is not proven is named, and counted apart from what passed. */
function nameUnproven({ check, ...at }: Matrix['unisolated'][number]): void {
  const because = 'no call that can be derived fails it alone, and nothing but the status of a refusal is seen'
  vitestTest(`${placeText(at)}: the check ${check}`, ({ skip }) => skip(`not proven: ${because}`))
}

/** The one that all refusals of its place are held against. */
function isControl({ representative, control }: CellClass): boolean {
  return representative === control
}

/** Of the call that all others of its place stand on. */
export const control: About = { rank: 'control', id: 'control' }

function aboutOf(one: CellClass, checks: ReturnType<typeof checksOf>): About {
  if (isControl(one)) return control
  const { fails, way, expected } = one.representative
  const { because, unmade } = checks.get(fails[0] ?? '') ?? {}
  const isShut = way !== undefined && fails[0] === way && expected.verdict === 'refused'
  const told = isShut ? `nobody is let in ${way}` : because
  return { rank: 'plain', id: fails[0], because: told, meaning: unmade?.means, clause: unmade?.clause }
}

/** A class, and how its target is known to differ in it. */
type TriedClass = CellClass & { readonly known?: KnownDifference }

/** The site of a test, and what the cells of the matrix present on it. */
interface Tried {
  readonly site: ScenarioSite
  readonly credentials: CellCredentials
}

function withDifferences(classes: readonly CellClass[], differences: KnownDifferences): TriedClass[] {
  const tried = classes.map((one) => ({ target: placeOf(one), name: one.representative.name }))
  demandTried(differences, tried)
  return classes.map((one) => ({ ...one, known: differences[placeOf(one)]?.[one.representative.name] }))
}

/** The last refusals of each target are followed by an accepted call, too. `least`: of how many calls at least, where that is known. */
export function closeControls(
  test: TestAPI<ScenarioFixtures>,
  gates: Gates,
  places: readonly string[],
  least = 1,
): void {
  test('all calls that refusals were held against are accepted still', async ({ site, skip }) => {
    gates.passAny(places, skip)
    expect(await site.shareControls().close(site)).toBeGreaterThanOrEqual(least)
  })
}

/** What is declared to be accepted there and presents the same parts: a target learns nothing of a key from who shows it none. */
function controlAlike(one: TriedClass, accepts: readonly TriedClass[]): Cell {
  const partsOf = ({ presents }: Cell) => Object.keys(presents).toSorted().join()
  const isDeclared = ({ expected }: Cell) => expected.verdict === 'accepted' && expected.because === 'accepts'
  const isAlike = (other: TriedClass) =>
    placeOf(other) === placeOf(one) && partsOf(other.representative) === partsOf(one.representative)
  return accepts.find((other) => isAlike(other) && isDeclared(other.representative))?.representative ?? one.control
}

/** Tries a cell after the end of all that the issuers of `all` made. */
async function tryLast(on: Tried, one: TriedClass, all: readonly TriedClass[]): Promise<void> {
  const { site, credentials } = on
  const { representative, control } = one
  await credentials.end(all.map((each) => each.representative))
  // Who goes on with what it knew at first takes the old one, and no new one.
  if (representative.expected.verdict === 'accepted') return judgeCell(on, one)
  const { learned, learnedWithinMs } = credentials.ends(representative)!
  const withinMs = learnedWithinMs(verificationOf(site, representative)!)
  if (withinMs === undefined) {
    // What was made before the end is all that such a target will ever take, if it takes any.
    const kept = all.find(
      (each) => placeOf(each) === placeOf(one) && each.representative.expected.verdict === 'accepted',
    )
    return kept === undefined ? judgeCell(on, one) : tryCell(on, { ...one, control: kept.representative })
  }
  // A target learns that the old one is gone once it has seen a new one.
  const isAccepted = async () => acceptanceProblems(await call(on, control)).length === 0
  await site.until(learned, isAccepted, { withinMs, everyMs: 250 })
  await tryCell(on, one)
}

async function tryCell(on: Tried, one: TriedClass, shared?: SharedControls<ScenarioSite>): Promise<void> {
  const { control } = one
  const again = (site: ScenarioSite) => call({ ...on, site }, control)
  const processNow = ({ site }: ScenarioSite) => processOf(site, control.target, control.action)
  const process = processNow(on.site)
  const place = `${placeOf(one)} ${control.name}`
  const isOwn = isControl(one)
  let accepted = isOwn ? undefined : await shared?.take(place, process, on.site)
  if (accepted === undefined) {
    const verdict = await again(on.site)
    accepted = verdict
    demand(verdict, { expected: 'accepted, as positive control', problems: acceptanceProblems(verdict) })
    shared?.add(place, { again, process, processNow, verdict, refusals: isOwn ? 0 : 1 })
  }
  if (!isOwn) await judgeCell(on, one, accepted)
}

async function judgeCell(on: Tried, { representative, known }: TriedClass, beside?: Verdict): Promise<void> {
  const verdict = await call(on, representative)
  const refusals = refusalsOf(on.site, representative, verdict)
  const { fault } = wayOf(on.site, representative) ?? {}
  const judged: Judged[] = refusals.map((refusal) => {
    return {
      ...(verdict.promised && { fault }),
      ...{ expected: expectedText(refusal, verdict), problems: refusalProblems(verdict, refusal) },
      reason: refusal.reason,
    }
  })
  // What was derived is told, unless another refusal came that is as good.
  const derived = judged.find(({ problems }) => problems.length === 0) ??
    judged[0] ?? { expected: 'accepted', problems: acceptanceProblems(verdict), fault: hopAtFault(verdict, beside) }
  const judgement = known === undefined ? derived : judgedAsDiffering(verdict, derived, known, refusals[0])
  demand(verdict, { ...judgement, beside })
}

/**
 * How a cell may be refused, what was derived first; none where it is accepted. Nobody knows in which order a program of somebody
 * else's looks at a token, so there each check that finds fault may be the one that refuses.
 */
function refusalsOf(site: ScenarioSite, cell: Cell, { shown, proof }: Verdict): ExpectedRefusal[] {
  const { expected, fails } = cell
  if (expected.verdict === 'accepted') return []
  const { checks = [] } = (shown && verificationOf(site, cell)) ?? {}
  const others = checks.flatMap((one) => (one.settles || !fails.includes(one.check) ? [] : one))
  return [expected, ...others].map((refusal) => expectedRefusal(refusal, proof))
}

function verificationOf(site: ScenarioSite, { target, action }: Cell): ActionVerification | undefined {
  return targetOf(site, target, action).verification
}

function wayOf(site: ScenarioSite, cell: Cell): Way | undefined {
  return verificationOf(site, cell)?.ways?.[cell.way ?? '']
}

async function call({ site, credentials }: Tried, cell: Cell): Promise<Verdict> {
  const { target, action } = cell
  const way = wayOf(site, cell)
  // The same call without its way is no control: what it presents may be spoiled.
  const options: CallOptions | undefined = way && { ...way.call, lost: way.loses, controlled: true }
  return site.call(cellCaller(cell, site.plan), target, action, credentials.of(cell), options)
}

/** A cell of the matrix came out otherwise than it was derived. */
class CellDeviates extends Error {
  override readonly name = 'CellDeviates'
}

function demand(verdict: Verdict, judged: Judged): void {
  demandJudged(verdict, judged, (text) => new CellDeviates(text))
}

function placeOf({ representative }: CellClass): string {
  return placeText(representative)
}

function sentence({ representative, count, known }: TriedClass): string {
  const { expected } = representative
  const verb =
    expected.verdict === 'accepted'
      ? `accepts${expected.because === 'settled' ? ` as ${expected.as}` : ''}`
      : `refuses (${expected.reason})`
  const others = count > 1 ? `, as ${count - 1} like it` : ''
  return `${verb} ${representative.name}${others}${differenceText(known)}`
}
