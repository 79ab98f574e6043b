import { expect } from 'vitest'
import type { Attack } from '../attacks/attack.ts'
import { Lab } from '../attacks/lab.ts'
import { accepted } from '../attacks/outcome.ts'
import { type ScopeOptions, scopesOf, type Trial } from '../attacks/scope.ts'
import type { AttackTarget } from '../attacks/surfaces.ts'
import { demandNoLeak, leakMark } from '../attacks/unharmed.ts'
import { HoldfastError } from '../errors.ts'
import { writeHistory } from '../evidence/history.ts'
import { secretsInFolder } from '../evidence/secret-search.ts'
import { ConnectionNotKept } from '../protocols/http/raw-call.ts'
import { settings } from '../settings.ts'
import { families } from '../shipped-families.ts'
import { demandJudged, NoPositiveControl } from '../site/evidence-text.ts'
import { FreshCredentials } from '../site/fresh-credentials.ts'
import type { ScenarioOptions } from '../site/ground.ts'
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
import type { About } from '../site/told-failure.ts'
import type { Verdict } from '../site/verdict.ts'
import { Gates } from './gates.ts'
import { closeControls, control } from './matrix.ts'
import { scenarioOn, shippedParts, skipNotOurs } from './scenario.ts'

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
  const { differs = {}, only = {}, full = settings().full } = options
  const parts = shippedParts(topology, options)
  const { live, plan: compiled } = await parts()
  const [plan, all] = await Promise.all([compiled(), families()])
  const tries = scopesOf(all, plan, { ...options, full }).flatMap(({ attack, trials }): Try[] => {
    const chosen = trials.filter(({ target }) => only[target.node]?.includes(attack.id) ?? true)
    return chosen.map((trial) => {
      const caseName = `${attack.id} ${trial.name}`
      return { ...trial, attack, caseName, known: differs[trial.target.name]?.[caseName] }
    })
  })
  const named = tries.map(({ target, caseName }) => ({ target: target.name, name: caseName }))
  demandTried(differs, named)
  const test = scenarioOn({ ...options, own: true, env: environmentFor(tries, options.env) }, parts)
  const made = new WeakMap<object, FreshCredentials>()
  const gates = new Gates()
  const labAt = (site: ScenarioSite, target: AttackTarget, known?: KnownDifference) => {
    // What is forged is made from what an insider made, who need not have the key of the issuer.
    const credentials = made.get(site.site) ?? new FreshCredentials(site.site, live, { by: 'insider' })
    made.set(site.site, credentials)
    return new Lab(site, target, { credentials, scopes: () => scopesOf(all, plan, { targets: [target.name] }), known })
  }
  const enter = (one: Try) => {
    const { attack, name, target, known } = one
    const title = `${attack.id} ${attack.title}: ${name} · ${target.name}${differenceText(known)}`
    test(title, async ({ site, skip }) => {
      gates.pass(target.name, skip)
      site.about = aboutOf(attack)
      const lab = labAt(site, target, known)
      const tried = tryOn(lab, one).catch((failure: unknown) => {
        // What serves one request for each connection is nobody else's fault; the reference nodes keep theirs.
        if (failure instanceof ConnectionNotKept && lab.planned.proof !== undefined) skip(failure.message)
        throw lab.explained(failure)
      })
      await skipNotOurs(skip, tried)
    })
  }
  const targets = new Map(tries.map(({ target }) => [target.name, target]))
  for (const target of targets.values()) {
    test(`${target.name} lets in ${target.credential}`, async ({ site }) => {
      site.about = control
      const lab = labAt(site, target)
      await gates.open(target.name, async () => lab.judge(await lab.call(), accepted()))
    })
  }
  const steady = tries
    .filter(({ attack }) => isSteady(attack))
    .toSorted((a, b) => Number(b.attack.plain !== undefined) - Number(a.attack.plain !== undefined))
  for (const one of steady) enter(one)
  // What refusals were held against is looked at before anything that changes the site; steps without a verdict are held against none.
  const judged = steady.filter(({ variant }) => variant.expect.some(({ is }) => is !== 'demanded'))
  const places = judged.map(({ target }) => target.name)
  // Cases that somebody chose may each make the accepted call of their own.
  if (places.length > 0) closeControls(test, gates, places, options.cases === undefined ? 1 : 0)
  for (const one of inOrder(tries.filter(({ attack }) => !isSteady(attack)))) enter(one)
  // After all others: what they presented is looked for in all that is kept of the run.
  if (tries.length > 0) test(evidenceTest, ({ site }) => demandCleanEvidence(site))
}

function aboutOf({ id, title, source, plain, follows }: Attack): About {
  return { id, ...(plain !== undefined && { rank: 'plain', meaning: plain }), title, clause: source, follows }
}

/** One variant of an attack on one target, and how that is known to differ. */
interface Try extends Trial {
  readonly attack: Attack
  /** `GEN-28 good, then bad`. */
  readonly caseName: string
  readonly known: KnownDifference | undefined
}

const evidenceTest = 'what is kept of the run holds no token that was presented, and no private key'

/** Nothing that is kept of the run so far, the logs of all nodes included, may hold a secret that is known, or any private key. */
export async function demandCleanEvidence(site: ScenarioSite): Promise<void> {
  const { secrets } = site.site
  for (const { issuer } of Object.values(site.plan.trustDomains)) {
    // Not every issuer begins with a key that lies on its node.
    const key = issuer === undefined ? undefined : await site.signingKey(issuer).catch(() => undefined)
    secrets.add([key?.d, key?.p, key?.q].filter((part) => part !== undefined))
  }
  const history = await writeHistory(site.site)
  const { files, found } = await secretsInFolder(site.site.evidence, secrets)
  expect(files).toContain(history)
  expect(found, found.join('\n')).toEqual([])
}

/** Leaves the site as it is: refusals of several of these are held against one accepted call. */
function isSteady({ forGood, stage }: Attack): boolean {
  return forGood === undefined && stage === undefined
}

/** What changes the site comes last: first what is undone, then what is not. */
function inOrder(tries: readonly Try[]): Try[] {
  return tries.toSorted((a, b) => Number(a.attack.forGood !== undefined) - Number(b.attack.forGood !== undefined))
}

/** What the programs of the targets are started with, besides what the caller wants. */
function environmentFor(tries: readonly Try[], own: ScenarioOptions['env']): ScenarioOptions['env'] {
  const env: Record<string, Readonly<Record<string, string>>> = { ...own }
  for (const { attack, target, alike } of tries) {
    if (attack.environment === undefined) continue
    for (const { node, unit } of [target, ...alike]) {
      const place = `${node}/${unit}`
      env[place] = { ...attack.environment, ...env[place] }
    }
  }
  return env
}

async function tryOn(lab: Lab, one: Try): Promise<void> {
  const { attack, caseName, target, known } = one
  if (isSteady(attack)) lab.site.shareControls()
  if (attack.stage === undefined) await restoreIssuers(lab.site)
  const tried = tryVariant(lab, one)
  if (known === undefined || !isGain(known)) return tried
  const failure = await tried.then(
    () => new DifferenceUnknown([`${target.name}: ${caseName}, which holds by now`]),
    (reason: unknown) => reason,
  )
  if (!isKnownGain(failure, known)) throw failure
  expect(failure).toBeInstanceOf(HoldfastError)
}

async function tryVariant(lab: Lab, { attack: { id }, variant, known }: Try): Promise<void> {
  const mark = await leakMark(lab)
  const verdict = await variant.attack(lab)
  if (verdict !== undefined) {
    const judged = lab.judged(verdict, variant.expect)
    const { problems } = judged
    const isAsked = verdict.promised && (problems.length > 0 || known?.fault !== undefined)
    const fault = isAsked ? await variant.fault?.(lab) : undefined
    const isAsKnown = known?.fault === undefined || fault?.startsWith(known.fault)
    const other = isAsKnown ? [] : [`known is that it is the fault of ${known.fault}`]
    return demand(verdict, { ...judged, problems: [...problems, ...other], fault })
  }
  if (lab.demands === 0) throw new NothingDemanded(id)
  // A verdict is judged with all that its target wrote down; of steps that end without one the same is demanded.
  await demandNoLeak(lab, mark)
  // What the steps demanded has been checked; this tells the scenario that something was.
  expect(lab.demands).toBeGreaterThan(0)
  if (known !== undefined && !isGain(known) && !lab.differed) throw new DifferenceUnknown([`${lab.target.name}: ${id}`])
}

function demand(verdict: Verdict, judged: Judged): void {
  demandJudged(verdict, judged, (text) => new AttackDeviates(text))
  if (verdict.verdict !== 'accepted' && !verdict.control?.accepted) throw new NoPositiveControl(verdict)
  // A verdict that was waited for is counted by nobody else.
  expect(judged.problems).toEqual([])
}

/** An attack came out otherwise than it must. */
class AttackDeviates extends Error {
  override readonly name = 'AttackDeviates'
}
