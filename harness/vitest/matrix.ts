import { expect, type TestAPI, test as vitestTest } from 'vitest'
import { settings } from '../settings.ts'
import type { CallOptions } from '../site/call.ts'
import { CellCredentials } from '../site/cell-credentials.ts'
import { failureText } from '../site/evidence-text.ts'
import type { GroundParts, ScenarioOptions } from '../site/ground.ts'
import { acceptanceProblems, type ExpectedRefusal, expectedText, refusalProblems } from '../site/judge.ts'
import { markJudged } from '../site/judging.ts'
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
import { processOf } from '../site/targets.ts'
import type { Verdict } from '../site/verdict.ts'
import type { Plan } from '../topology/plan.ts'
import type { ActionVerification } from '../topology/verification.ts'
import { type Cell, cellCaller, cellEnds } from '../trust/cell.ts'
import { type CellClass, deriveMatrix, type Matrix } from '../trust/matrix.ts'
import { type ScenarioFixtures, scenarioFolder, scenarioOn } from './scenario.ts'
import { shippedParts } from './shipped-parts.ts'

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
  const folder = scenarioFolder()
  await matrixOn(options, () => shippedParts(topology, options, folder))
}

/** The same over parts of the caller's own: another backend, other kinds. */
export async function matrixOn(options: MatrixOptions, parts: () => Promise<GroundParts>): Promise<void> {
  const plan = await (await parts()).plan()
  const { credentialKinds } = await import('../shipped.ts')
  const derived = deriveMatrix(plan, credentialKinds, { full: options.full ?? settings().full })
  const all = withDifferences(derived.classes, options.differs ?? {})
  // Some cells change the site for good.
  const test = scenarioOn({ ...options, own: true }, parts)
  const { live } = await parts()
  const credentials = new Map<unknown, CellCredentials>()
  const of = ({ site }: ScenarioSite): CellCredentials => {
    const known = credentials.get(site) ?? new CellCredentials(site, live)
    credentials.set(site, known)
    return known
  }
  const byEnd = Map.groupBy(all, ({ representative }) => cellEnds(representative, credentialKinds))
  for (const [target, classes] of Map.groupBy(byEnd.get(undefined) ?? [], placeOf)) {
    vitestTest.describe(target, () => enter(test, classes, of))
  }
  const accepts = all.filter(({ representative: { expected } }) => expected.verdict === 'accepted')
  if (accepts.length > 0) closeControls(test)
  // What ends everything else of an issuer is done once, for all of them, when nothing else is left to try.
  for (const [end, classes] of byEnd) {
    if (end !== undefined) vitestTest.describe(`after ${end}`, () => enterLast(test, classes, of))
  }
}

type CredentialsOf = (site: ScenarioSite) => CellCredentials

/** A class, and how its target is known to differ in it. */
type TriedClass = CellClass & { readonly known?: KnownDifference }

function withDifferences(classes: readonly CellClass[], differences: KnownDifferences): TriedClass[] {
  const tried = classes.map((one) => ({ target: placeOf(one), name: one.representative.name }))
  demandTried(differences, tried)
  return classes.map((one) => ({ ...one, known: differences[placeOf(one)]?.[one.representative.name] }))
}

function enter(test: TestAPI<ScenarioFixtures>, classes: readonly TriedClass[], of: CredentialsOf): void {
  for (const one of classes) {
    test(sentence(one), async ({ site }) => {
      await tryCell(site, of(site), one, site.shareControls())
    })
  }
}

/** The last refusals of each target are followed by an accepted call, too. */
export function closeControls(test: TestAPI<ScenarioFixtures>): void {
  test('all calls that refusals were held against are accepted still', async ({ site }) => {
    expect(await site.shareControls().close(site)).toBeGreaterThan(0)
  })
}

function enterLast(test: TestAPI<ScenarioFixtures>, classes: readonly TriedClass[], of: CredentialsOf): void {
  for (const one of classes) {
    test(`${placeOf(one)}: ${sentence(one)}`, async ({ site }) => {
      const credentials = of(site)
      await credentials.end(classes.map(({ representative }) => representative))
      const { expected } = one.representative
      // Who goes on with what it knew at first takes the old one, and no new one.
      if (expected.verdict === 'accepted') return judgeCell(site, credentials, one)
      // A target learns that the old one is gone once it has seen a new one.
      const { learned, learnedWithinMs } = credentials.ends(one.representative)!
      await site.until(learned, () => isAccepted(site, credentials, one.control), {
        withinMs: learnedWithinMs(verificationOf(site.plan, one.representative)!),
        everyMs: 250,
      })
      await tryCell(site, credentials, one)
    })
  }
}

async function tryCell(
  site: ScenarioSite,
  credentials: CellCredentials,
  one: TriedClass,
  shared?: SharedControls<ScenarioSite>,
) {
  const { representative, control } = one
  const again = (by: ScenarioSite) => call(by, credentials, control)
  const process = processOf(site.site, control.target, control.action)
  const place = `${placeOf(one)} ${control.name}`
  const isControl = representative === control
  if (isControl || (await shared?.take(place, process, site)) === undefined) {
    const verdict = await again(site)
    demand(verdict, { expected: 'accepted, as positive control', problems: acceptanceProblems(verdict) })
    shared?.add(place, { again, process, verdict }, isControl ? 0 : 1)
  }
  if (!isControl) await judgeCell(site, credentials, one)
}

async function judgeCell(
  site: ScenarioSite,
  credentials: CellCredentials,
  { representative, known }: TriedClass,
): Promise<void> {
  const verdict = await call(site, credentials, representative)
  const refusals = refusalsOf(site, representative, verdict)
  const judged: Judged[] = refusals.map((refusal) => {
    return { expected: expectedText(refusal, verdict.protocol), problems: refusalProblems(verdict, refusal) }
  })
  // What was derived is told, unless another refusal came that is as good.
  const derived = judged.find(({ problems }) => problems.length === 0) ??
    judged[0] ?? { expected: 'accepted', problems: acceptanceProblems(verdict) }
  demand(verdict, known === undefined ? derived : judgedAsDiffering(verdict, derived, known, refusals[0]))
}

/**
 * How a cell may be refused, what was derived first; none where it is accepted. Nobody knows in which order a program of somebody
 * else's looks at a token, so there each check that finds fault may be the one that refuses.
 */
function refusalsOf({ plan }: ScenarioSite, cell: Cell, { shown, proof }: Verdict): ExpectedRefusal[] {
  const { expected, fails } = cell
  if (expected.verdict === 'accepted') return []
  const { checks = [] } = verificationOf(plan, cell) ?? {}
  const others =
    shown === undefined ? [] : checks.flatMap((one) => (one.settles || !fails.includes(one.check) ? [] : one))
  return [expected, ...others].map(({ layer, status, error, reason, guard, orStatuses }) => ({
    ...{ layer, reason, guard, proof, orStatuses },
    ...{ status: status ?? undefined, error: error ?? undefined },
  }))
}

function verificationOf(plan: Plan, { target, action }: Cell): ActionVerification | undefined {
  return plan.nodes[target]!.units.find(({ verification }) => verification?.[action])?.verification?.[action]
}

async function isAccepted(site: ScenarioSite, credentials: CellCredentials, cell: Cell): Promise<boolean> {
  return acceptanceProblems(await call(site, credentials, cell)).length === 0
}

async function call(site: ScenarioSite, credentials: CellCredentials, cell: Cell): Promise<Verdict> {
  const credential = credentials.of(cell)
  const options = (verificationOf(site.plan, cell)?.ways?.[cell.way ?? '']?.call ?? {}) as CallOptions
  return site.call(cellCaller(cell, site.plan), cell.target, cell.action, credential, options)
}

function demand(verdict: Verdict, { expected, problems }: Judged): void {
  markJudged(verdict)
  if (problems.length > 0) throw new CellDeviates(verdict, expected, problems)
}

/** A cell of the matrix came out otherwise than it was derived. */
class CellDeviates extends Error {
  override readonly name = 'CellDeviates'
  constructor(verdict: Verdict, expected: string, problems: readonly string[]) {
    super(failureText(expected, verdict, problems))
  }
}

function placeOf({ representative: { target, action } }: Matrix['classes'][number]): string {
  return `${target} ${action}`
}

function sentence({ representative, count, known }: TriedClass): string {
  const { expected } = representative
  const verb =
    expected.verdict === 'accepted'
      ? `accepts${expected.because === 'operator' ? ' as operator' : ''}`
      : `refuses (${expected.reason})`
  const others = count > 1 ? `, as ${count - 1} like it` : ''
  return `${verb} ${representative.name}${others}${differenceText(known)}`
}
