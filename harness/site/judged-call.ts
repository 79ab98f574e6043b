import type { IssuerWatch, LiveKinds } from '../credentials/live-kind.ts'
import type { PartName, Presented } from '../credentials/parts.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import { recordCall } from '../evidence/history.ts'
import type { AnyCalled } from '../protocols/spoken.ts'
import { type CallOptions, type CallParts, type ShapedCall, shaped } from './call.ts'
import type { Credential } from './credential.ts'
import { effectsSince, type Observer, type Picture } from './effects.ts'
import { toldCall } from './evidence-text.ts'
import { decisionsOf, type FarEnd, leaksInAnswer, leaksSince, type Mark, markOf } from './far-end.ts'
import { controlFrom, type SharedControls } from './ledger.ts'
import { observations, unobservable } from './observation.ts'
import type { ScenarioSite } from './scenario-site.ts'
import { type Shown, type Watch, watchFor } from './shown.ts'
import { endpointAt, NotInPlan } from './site-files.ts'
import { acceptedAt, processOf, type Target, targetOf } from './targets.ts'
import type { Control, Verdict } from './verdict.ts'

interface Called extends ShapedCall {
  readonly target: Target
  readonly action: string
  readonly credential: Credential
  readonly options: CallOptions
}

/** What was there when the call began: whatever is found later, and not here, is of the call. */
interface Before {
  readonly control: Control | undefined
  readonly observe: Observer | undefined
  readonly picture: Picture | Error | undefined
  readonly issuer: IssuerWatch | undefined
  readonly mark: Mark
  readonly watch: Watch | undefined
}

interface Heard extends FarEnd {
  readonly shown: Shown | undefined
  readonly decision: DecisionRecord | undefined
}

/**
 * Makes calls and joins what the caller saw with what the far end wrote down, in four stages whose order matters: each reads what the
 * next one changes.
 */
export class JudgedCalls {
  /** Accepted calls of tests before this one, where it holds its refusals against them. */
  controls: SharedControls<ScenarioSite> | undefined
  readonly #by: ScenarioSite
  readonly #parts: CallParts
  readonly #observerOf: ReturnType<typeof observations>

  constructor(by: ScenarioSite, parts: CallParts) {
    this.#by = by
    this.#parts = parts
    this.#observerOf = observations(by.site, parts)
  }

  async make(from: string, to: string, action: string, credential: Credential, options: CallOptions) {
    const { site, ledger, test } = this.#by
    const target = targetOf(site, to, action, options.listener)
    const call: Called = {
      ...{ target, action, credential, options },
      ...(await shaped({ from, target, action, credential, options }, this.#parts)),
    }
    const before = await this.#before(call)
    const called = await call.prepared.send({ ...(await endpointAt(site, from, target)), timeoutMs: options.timeoutMs })
    const heard = await this.#heard(call, before, called)
    const verdict = await this.#after(call, before, called, heard)
    ledger.record(call.shape, verdict)
    test.calls?.push(toldCall(verdict))
    recordCall(site, new Date().toISOString(), { test: test.name, ...recorded(verdict) })
    return { verdict, session: called.session }
  }

  /** The verdict alone: a session that was opened is closed. */
  async verdict(...call: Parameters<JudgedCalls['make']>): Promise<Verdict> {
    const { verdict, session } = await this.make(...call)
    await session?.close()
    return verdict
  }

  /** Looks at the target of an action as it is looked at before and after each call; why nobody can, where it has no observation. */
  observer(to: string, action: string): Observer | string {
    const target = targetOf(this.#by.site, to, action, undefined)
    return this.#observerOf(target, action) ?? unobservable(target)
  }

  /** The control goes first, for it changes the target, too; then everything is looked at that the call could change. */
  async #before(call: Called): Promise<Before> {
    const { site, credentials } = this.#by
    const { target, action } = call
    const control = await this.#control(call)
    const observe = this.#observerOf(target, action)
    const picture = await observe?.().catch((failure: Error) => failure)
    const { node, verification, proof } = target
    const watches = [...this.#parts.live.values()].map(
      (kind) => verification?.guards && kind.watch?.(node, verification, credentials.at),
    )
    const issuer = (await Promise.all(watches)).find((one) => one !== undefined)
    const mark = await markOf(site, node)
    return { control, observe, picture, issuer, mark, watch: proof && (await watchFor(proof, site, node)) }
  }

  /** The records of a call; where another one went first over its connection, that one's is left out. */
  async #heard({ protocol, target, options }: Called, { watch, mark }: Before, called: AnyCalled): Promise<Heard> {
    const { waitMs, first } = options
    const isAnswered = protocol.text(called.answer) !== undefined
    const shown = await watch?.shown({ ...called, isAnswered }, waitMs)
    if (shown !== undefined) return { shown, decisions: [], waitedMs: 0, decision: undefined }
    const { node } = target
    const { site, shared } = this.#by
    const earlier = first === undefined ? 0 : 1
    const found = await decisionsOf(site, node, called.conn, mark, {
      withinMs: waitMs ?? shared.patience?.recordMs,
      atLeast: 1 + earlier,
    })
    if (found.decisions.slice(0, earlier).some(({ verdict }) => verdict !== 'accepted')) {
      throw new NotInPlan(site, `${node} did not accept the call that went first over ${called.conn}`, [])
    }
    const decisions = found.decisions.slice(earlier)
    const decision = decisions.find((record) => record.verdict === 'refused') ?? decisions[0]
    return { shown, ...found, decisions, decision }
  }

  /** What is left of the call at the target: effects, questions to the issuer, secrets. Effects are waited for, so that they come first. */
  async #after(
    call: Called,
    before: Before,
    called: AnyCalled,
    { decision, shown, ...farEnd }: Heard,
  ): Promise<Verdict> {
    const { site, evidence, test } = this.#by
    const { protocol, target, presented, summary, prepared, shape } = call
    // What is empty is in every text.
    const texts = Object.values(presented).filter((part) => typeof part === 'string' && part !== '')
    const { answer, promised, conn, ms } = called
    const said = shown ? (shown.said ?? (promised ? 'accepted' : 'refused')) : decision?.verdict
    const isAccepted = promised && said === 'accepted'
    const { live } = this.#parts
    const { verification, proof } = target
    const asked = await before.issuer?.(summary)
    return {
      ...answer,
      ...{ answer, protocol, from: shape.from, to: target.node, action: call.action, credential: summary },
      accepts: acceptedAt(site.plan, target.node, call.action),
      live,
      judged: judgedParts(call, prepared.carried, live),
      verdict: isAccepted ? 'accepted' : 'refused',
      proof: proof?.proof ?? 'decision record',
      shown,
      promised,
      layer: decision?.layer ?? (protocol.text(answer) === undefined ? 'tls' : protocol.layer),
      reason: decision?.reason ?? shown?.reason ?? null,
      guard: decision?.guard ?? null,
      principal: decision?.principal ?? {},
      verification,
      asked,
      decision,
      ...farEnd,
      conn,
      ms,
      control: before.control,
      effects: await this.#effects(target, before, isAccepted),
      answerLeaks: texts.flatMap((text) => leaksInAnswer(called.text, text)),
      leaks: await leaksSince(site, target.node, before.mark, {
        tokens: texts,
        lines: (await before.watch?.lines()) ?? [],
      }),
      evidence,
      again: test.again,
    }
  }

  /** An accepted call may change its target. */
  async #effects(target: Target, { observe, picture }: Before, isAccepted: boolean): Promise<Verdict['effects']> {
    if (isAccepted) return { observed: false, ...(!observe && { unobservable: unobservable(target) }) }
    const { patience, pictures } = this.#by.shared
    const key = `${target.node}/${target.unit}`
    const first = pictures.get(key) ?? (picture instanceof Error ? {} : (picture ?? {}))
    pictures.set(key, first)
    return effectsSince(observe ?? unobservable(target), picture ?? {}, first, patience?.settleMs)
  }

  async #control({ shape, action, credential, options, prepared }: Called): Promise<Control | undefined> {
    const { site, ledger } = this.#by
    const process = processOf(site, shape.to, action)
    const recorded = ledger.controlOf(shape) ?? (await this.controls?.controlOf(shape, process, this.#by))
    if (recorded !== undefined) return recorded
    const control = async (one: Credential, how: CallOptions, element: string) => {
      const again = (by: ScenarioSite) => by.calls.verdict(shape.from, shape.to, action, one, how)
      const verdict = await again(this.#by)
      const shared = { again, process, verdict, shape: ledger.shapeOf(verdict) }
      const found = controlFrom(verdict, element)
      if (found.accepted) this.controls?.add(JSON.stringify(shared.shape), shared, 1)
      return found
    }
    const { plain } = prepared
    if (plain?.isCredential || (plain && credential.base === undefined)) {
      return control(credential, plain.options, plain.element)
    }
    // A credential that was derived more than once has its own control in the step before.
    return credential.base && control(credential.base, options, credential.label)
  }
}

/** Parts that the target had to look at: all that reached it, or the one that is enough by itself. */
export function judgedParts(
  { presented, target: { verification } }: { presented: Presented; target: Pick<Target, 'verification'> },
  carried: readonly PartName[],
  live: LiveKinds,
): PartName[] {
  const there = [...live.values()].filter(({ part, inHandshake }) => {
    return presented[part] !== undefined && (inHandshake || carried.includes(part))
  })
  const enough = there.find((kind) => verification && kind.suffices?.(presented, verification))
  return (enough === undefined ? there : [enough]).map(({ part }) => part)
}

/** What is kept of a verdict: no functions, nothing that stands in the plan, nothing twice. */
function recorded({ evidence: _, again: __, json: ___, accepts: ____, verification: _____, ...verdict }: Verdict) {
  const { answer: ______, protocol: _______, live: ________, ...call } = verdict
  return call
}
