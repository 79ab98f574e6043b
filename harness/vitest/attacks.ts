import { expect, type TestAPI } from 'vitest'
import type { Attack, Variant } from '../attacks/attack.ts'
import { Lab } from '../attacks/lab.ts'
import { type Scope, type ScopeOptions, scopesOf, type Trial } from '../attacks/scope.ts'
import { demandNoLeak, leakMark } from '../attacks/unharmed.ts'
import type { Site } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { settings } from '../settings.ts'
import { families } from '../shipped-families.ts'
import { failureText, NoPositiveControl } from '../site/evidence-text.ts'
import { FreshCredentials } from '../site/fresh-credentials.ts'
import type { GroundParts, ScenarioOptions } from '../site/ground.ts'
import { markJudged } from '../site/judging.ts'
import {
  DifferenceUnknown,
  demandTried,
  differenceText,
  isGain,
  isKnownGain,
  type Judged,
  type KnownDifference,
  type KnownDifferences,
} from '../site/known-differences.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import { restoreIssuers } from '../site/stand-in.ts'
import type { Verdict } from '../site/verdict.ts'
import { demandCleanEvidence } from './clean-evidence.ts'
import { closeControls } from './matrix.ts'
import { type ScenarioFixtures, scenarioFolder, scenarioOn } from './scenario.ts'
import { shippedParts } from './shipped-parts.ts'

export interface AttacksOptions extends ScenarioOptions, Omit<ScopeOptions, 'clock'> {
  /** Attacks (`GEN-28 good, then bad`) at which a target is known to come out otherwise: each is expected to, and fails once it does not. */
  differs?: KnownDifferences
  /** Nodes at which fewer cases are tried: those that are named. */
  only?: Readonly<Record<string, readonly string[]>>
}

/** The steps of an attack ended without a verdict and demanded nothing: it would be green whatever happens. */
export class NothingDemanded extends HoldfastError {
  constructor(id: string) {
    super('HOLDFAST_NOTHING_DEMANDED', `${id} gives no verdict and demands nothing: return one, or call lab.demand(…)`)
  }
}

/**
 * Makes one test of each attack of the catalogue, variant and target of a topology that it can be tried on.
 *
 * @example
 * await attacks('separate-auth', { families: ['gen'] })
 */
export async function attacks(topology: string, options: AttacksOptions = {}): Promise<void> {
  const folder = scenarioFolder()
  await attacksOn(options, () => shippedParts(topology, options, folder))
}

/** The same over parts of the caller's own: another backend, other kinds. */
export async function attacksOn(options: AttacksOptions, parts: () => Promise<GroundParts>): Promise<void> {
  const plan = await (await parts()).plan()
  const all = await families()
  const chosen = { ...options, full: options.full ?? settings().full }
  const scopes = restricted(scopesOf(all, plan, chosen), options.only ?? {})
  const test = scenarioOn({ ...options, own: true, env: environmentFor(scopes, options.env) }, parts)
  const { live } = await parts()
  const credentials = new WeakMap<Site, FreshCredentials>()
  const of = ({ site }: ScenarioSite): FreshCredentials => {
    const known = credentials.get(site) ?? new FreshCredentials(site, live)
    credentials.set(site, known)
    return known
  }
  const { differs = {} } = options
  demandTried(differs, scopes.flatMap(triedIn))
  const steady = scopes.filter(({ attack }) => isSteady(attack))
  const changing = inOrder(scopes.filter(({ attack }) => !isSteady(attack)))
  let isClosed = steady.every(({ trials }) => trials.length === 0)
  for (const { attack, trials } of [...steady, ...changing]) {
    // What refusals were held against is looked at before anything that changes the site.
    if (!isClosed && !isSteady(attack)) closeControls(test)
    isClosed ||= !isSteady(attack)
    for (const trial of trials) {
      const { target } = trial
      const known = differs[target.name]?.[nameOf(attack, trial)]
      const scopesAt = () => scopesOf(all, plan, { targets: [target.name] })
      const labOn = (site: ScenarioSite) => new Lab(site, target, { credentials: of(site), scopes: scopesAt, known })
      enter(test, attack, trial, labOn, known)
    }
  }
  if (!isClosed) closeControls(test)
  // After all others: what they presented is looked for in all that is kept of the run.
  const isTried = scopes.some(({ trials }) => trials.length > 0)
  if (isTried) test(evidenceTest, ({ site }) => demandCleanEvidence(site))
}

const evidenceTest = 'what is kept of the run holds no token that was presented, and no private key'

function restricted(scopes: readonly Scope[], only: Readonly<Record<string, readonly string[]>>): Scope[] {
  const isTried = ({ id }: Attack, { target }: Trial) => only[target.node]?.includes(id) ?? true
  return scopes.map((scope) => ({ ...scope, trials: scope.trials.filter((trial) => isTried(scope.attack, trial)) }))
}

function triedIn({ attack, trials }: Scope): { target: string; name: string }[] {
  return trials.map((trial) => ({ target: trial.target.name, name: nameOf(attack, trial) }))
}

/** `GEN-28 good, then bad`. */
function nameOf({ id }: Attack, { name }: Trial): string {
  return `${id} ${name}`
}

/** Leaves the site as it is: refusals of several of these are held against one accepted call. */
function isSteady({ forGood, stage }: Attack): boolean {
  return forGood === undefined && stage === undefined
}

/** What changes the site comes last: first what is undone, then what is not. */
function inOrder(scopes: readonly Scope[]): Scope[] {
  return scopes.toSorted((a, b) => Number(a.attack.forGood !== undefined) - Number(b.attack.forGood !== undefined))
}

/** What the programs of the targets are started with, besides what the caller wants. */
function environmentFor(scopes: readonly Scope[], own: ScenarioOptions['env']): ScenarioOptions['env'] {
  const env: Record<string, Readonly<Record<string, string>>> = { ...own }
  for (const { attack, trials } of scopes) {
    if (attack.environment === undefined) continue
    for (const { node, unit } of trials.flatMap(({ target, alike }) => [target, ...alike])) {
      const place = `${node}/${unit}`
      env[place] = { ...attack.environment, ...env[place] }
    }
  }
  return env
}

function enter(
  test: TestAPI<ScenarioFixtures>,
  attack: Attack,
  { name, variant, target }: Trial,
  labOn: (site: ScenarioSite) => Lab,
  known: KnownDifference | undefined,
): void {
  test(`${attack.id} ${attack.title}: ${name} · ${target.name}${differenceText(known)}`, async ({ site }) => {
    if (isSteady(attack)) site.shareControls()
    if (attack.stage === undefined) await restoreIssuers(site)
    const tryIt = () => tryVariant(attack, variant, labOn(site), known)
    if (known !== undefined && isGain(known)) await demandWorks(`${target.name}: ${attack.id} ${name}`, tryIt, known)
    else await tryIt()
  })
}

async function demandWorks(what: string, tryIt: () => Promise<void>, known: KnownDifference): Promise<void> {
  const failure = await tryIt().then(
    () => new DifferenceUnknown([`${what}, which holds by now`]),
    (reason: unknown) => reason,
  )
  if (!isKnownGain(failure, known)) throw failure
  expect(failure).toBeInstanceOf(HoldfastError)
}

async function tryVariant(
  { id }: Attack,
  { attack, expect: outcome }: Variant,
  lab: Lab,
  known: KnownDifference | undefined,
): Promise<void> {
  const mark = await leakMark(lab)
  const verdict = await attack(lab)
  if (verdict !== undefined) return demand(verdict, lab.judged(verdict, outcome))
  if (lab.demands === 0) throw new NothingDemanded(id)
  // A verdict is judged with all that its target wrote down; of steps that end without one the same is demanded.
  await demandNoLeak(lab, mark)
  // What the steps demanded has been checked; this tells the scenario that something was.
  expect(lab.demands).toBeGreaterThan(0)
  if (known !== undefined && !isGain(known) && !lab.differed) throw new DifferenceUnknown([`${lab.target.name}: ${id}`])
}

function demand(verdict: Verdict, { expected, problems }: Judged): void {
  markJudged(verdict)
  if (problems.length > 0) throw new AttackDeviates(verdict, expected, problems)
  if (verdict.verdict !== 'accepted' && !verdict.control?.accepted) throw new NoPositiveControl(verdict)
  // A verdict that was waited for is counted by nobody else.
  expect(problems).toEqual([])
}

/** An attack came out otherwise than it must. */
class AttackDeviates extends Error {
  override readonly name = 'AttackDeviates'
  constructor(verdict: Verdict, expected: string, problems: readonly string[]) {
    super(failureText(expected, verdict, problems))
  }
}
