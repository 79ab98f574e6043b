import type { LiveKinds, Shaken } from '../credentials/live-kind.ts'
import type { PartName, Presented } from '../credentials/parts.ts'
import { recordCall } from '../evidence/history.ts'
import type { AnyCalled, AnyProtocol } from '../protocols/spoken.ts'
import type { PlacedHop } from '../topology/hops.ts'
import { type CallOptions, shaped } from './call.ts'
import type { Credential } from './credential.ts'
import { effectsSince, firstLook } from './effects.ts'
import { toldCall } from './evidence-text.ts'
import { decisionsOf, leaksInAnswer, leaksSince, markOf } from './far-end.ts'
import { besideRefusals, controlFrom, controlIn } from './ledger.ts'
import type { ScenarioSite } from './scenario-site.ts'
import { watchFor } from './shown.ts'
import { endpointAt, NotInPlan } from './site-files.ts'
import { acceptedAt, hopOf, processOf, type Target, targetOf } from './targets.ts'
import type { Control, Effects, Verdict } from './verdict.ts'

type Called = Awaited<ReturnType<typeof shaped>>
type Before = Awaited<ReturnType<typeof lookedAt>>

/**
 * Makes a call for a test and joins what the caller saw with what the far end wrote down, in four stages whose order matters: each
 * reads what the next one changes.
 */
export async function makeCall(
  by: ScenarioSite,
  from: string,
  to: string,
  action: string,
  credential: Credential,
  options: CallOptions,
) {
  const { site, test } = by
  const target = targetOf(site, to, action, options.listener)
  const call = await shaped({ from, target, action, credential, options }, by.parts)
  const before = await lookedAt(by, call)
  let shaken: Shaken | undefined
  const onSecure = (how: Shaken) => {
    shaken = how
  }
  const hop = options.through === undefined ? undefined : hopOf(site, options.through, target)
  const endpoint = { ...(await endpointAt(site, from, hop ?? target)), timeoutMs: options.timeoutMs, onSecure }
  const ended = test.calls?.length ?? 0
  const called = await call.prepared.send(endpoint)
  by.begins(target.node, called.conn, before.mark.decided)
  const verdict = await joined(by, call, before, { ...called, shaken, hop: hop?.hop })
  by.ledger.push({ shape: call.shape, verdict })
  test.calls?.push(
    toldCall(verdict, { ledger: by.ledger, wait: by.waitAtHand(), meanwhile: test.calls.length - ended }),
  )
  recordCall(site, new Date().toISOString(), { test: test.name, ...recorded(verdict) })
  return { verdict, session: called.session }
}

/** The verdict alone: a session that was opened is closed. */
export async function verdictOf(...call: Parameters<typeof makeCall>): Promise<Verdict> {
  const { verdict, session } = await makeCall(...call)
  await session?.close()
  return verdict
}

/**
 * What was there when the call began: whatever is found later, and not here, is of the call. The control goes first, for it changes
 * the target, too.
 */
async function lookedAt(by: ScenarioSite, call: Called) {
  const { site, credentials } = by
  const { node, verification, proof } = call.target
  const control = await controlOf(by, call)
  const observe = by.observerOf(call.target, call.action)
  const picture = typeof observe === 'string' ? {} : await firstLook(observe)
  const isCounted = verification?.guards !== undefined && !verification.asksAgain
  const watches = [...call.live.values()].map((kind) =>
    isCounted ? kind.watch?.(node, verification, credentials.at) : undefined,
  )
  const issuer = (await Promise.all(watches)).find((one) => one !== undefined)
  const mark = await markOf(site, node)
  return { control, observe, picture, issuer, mark, watch: proof && (await watchFor(proof, site, node)) }
}

/** What the far end wrote or showed of a call; where another one went first over its connection, that one's record is left out. */
async function heard(by: ScenarioSite, call: Called, { watch, mark }: Before, called: AnyCalled) {
  const { waitMs, first } = call.options
  const isAnswered = call.protocol.text(called.answer) !== undefined
  const shown = await watch?.shown({ ...called, isAnswered }, waitMs ?? (isBelow(called) ? 250 : undefined))
  if (shown !== undefined) return { shown, decisions: [], waitedMs: 0, decision: undefined }
  const { site, shared } = by
  const { node } = call.target
  const earlier = first === undefined ? 0 : 1
  const wait = {
    withinMs: waitMs ?? shared.patience?.recordMs,
    atLeast: (called.letInBy === undefined ? 1 : 2) + earlier,
    through: call.options.through,
  }
  const { decisions: all, waitedMs } = await decisionsOf(site, node, called.conn, mark, wait)
  if (all.slice(0, earlier).some(({ verdict }) => verdict !== 'accepted')) {
    throw new NotInPlan(site, `${node} did not accept the call that went first over ${called.conn}`, [])
  }
  const decisions = all.slice(earlier)
  const decision = decisions.find((record) => record.verdict === 'refused') ?? decisions[0]
  return { shown, decisions, waitedMs, decision }
}

/** Whether it was most likely refused before a program saw it, so that none of its lines is to come. */
function isBelow({ answer: { status, error } }: AnyCalled): boolean {
  return error === null && status !== null && status >= 400 && ![401, 403].includes(status)
}

/** Of what is left of a call at the target, effects come before secrets: they are waited for. */
async function joined(
  by: ScenarioSite,
  call: Called,
  before: Before,
  called: AnyCalled & { shaken?: Shaken; hop?: PlacedHop | undefined },
): Promise<Verdict> {
  const { decision, shown, ...farEnd } = await heard(by, call, before, called)
  const { site, test } = by
  const { protocol, live, target, action, presented, summary, shape } = call
  const { node, verification, proof } = target
  const { answer, promised, letInBy, conn, ms, sent, came, shaken, hop } = called
  const tokens = secretTexts(presented, live)
  const said = shown ? (shown.said ?? (promised ? 'accepted' : 'refused')) : decision?.verdict
  const verdict = promised && said === 'accepted' ? 'accepted' : 'refused'
  const asked = await before.issuer?.(summary)
  return {
    ...answer,
    ...{ answer, protocol, live, from: shape.from, to: node, action, credential: summary, verification },
    accepts: acceptedAt(site.plan, node, action),
    judged: judgedParts({ ...call, lost: call.options.lost }, call.prepared.carried, live),
    proof: proof?.proof ?? 'decision record',
    ...{ verdict, shown, promised, letInBy, asked, conn, ms, decision, ...farEnd, control: before.control },
    ...{ hop, slowness: site.slowness },
    ...{ sent, came, shaken, log: () => site.node(node).logs().slice(before.mark.logged) },
    layer: decision?.layer ?? (isEndedInTls(protocol, called) ? 'tls' : protocol.layer),
    reason: decision?.reason ?? shown?.reason ?? null,
    guard: decision?.guard ?? null,
    principal: decision?.principal ?? {},
    effects: await effectsOf(by, target, before, verdict),
    answerLeaks: tokens.flatMap((token) => leaksInAnswer(called.text, token)),
    leaks: await leaksSince(site, node, before.mark, { tokens, lines: (await before.watch?.lines()) ?? [] }),
    ...{ evidence: by.evidence, again: test.again },
  }
}

/** What of a credential is presented as text, or stands for what is; what is empty is in every text. */
function secretTexts(presented: Presented, live: LiveKinds): string[] {
  const carried = [...live.values()].flatMap(({ part, inHandshake }) => (inHandshake ? [] : (presented[part] ?? [])))
  const texts = carried.flatMap((part): unknown[] => (typeof part === 'string' ? [part] : Object.values(part)))
  return texts.filter((text): text is string => typeof text === 'string' && text !== '')
}

/**
 * Whoever finished the handshake and then said nothing, until we hung up, did not refuse anybody in TLS; nor did somebody to whom no
 * connection came about.
 */
function isEndedInTls(protocol: AnyProtocol, { answer, shaken, conn }: AnyCalled & { shaken?: Shaken }): boolean {
  const isSilent = shaken !== undefined && answer.failure?.code === 'ETIMEDOUT'
  return protocol.text(answer) === undefined && !isSilent && conn !== ''
}

/** An accepted call may change its target. */
async function effectsOf(
  { shared: { pictures }, settleMs }: ScenarioSite,
  { node, unit }: Target,
  { observe, picture }: Before,
  verdict: Verdict['verdict'],
): Promise<Effects> {
  if (verdict === 'accepted') {
    return { observed: false, ...(typeof observe === 'string' && { unobservable: observe }) }
  }
  const key = `${node}/${unit}`
  const first = pictures.get(key) ?? (picture instanceof Error ? {} : picture)
  pictures.set(key, first)
  return effectsSince(observe, picture, first, settleMs)
}

async function controlOf(by: ScenarioSite, call: Called): Promise<Control | undefined> {
  const { shape, action, credential, options } = call
  const { ledger, controls } = by
  const processNow = (test: ScenarioSite) => processOf(test.site, shape.to, action)
  const process = processNow(by)
  const recorded = controlIn(ledger, shape) ?? (await controls?.controlOf(shape, process, by))
  if (recorded !== undefined || options.controlled) return recorded
  const control = async (one: Credential, how: CallOptions, element: string) => {
    const again = (test: ScenarioSite) => verdictOf(test, shape.from, shape.to, action, one, how)
    const verdict = await besideRefusals(() => again(by))
    const found = controlFrom(verdict, element)
    const made = ledger.find((one) => one.verdict === verdict)?.shape
    if (found.accepted)
      controls?.add(JSON.stringify(made), { again, process, processNow, verdict, shape: made, refusals: 1 })
    return found
  }
  const { plain } = call.prepared
  if (call.target.listener.behind !== undefined) {
    const { listener: _, raw: __, ...through } = options
    let root = credential
    while (root.base !== undefined) root = root.base
    return control(root, through, 'listener')
  }
  if (options.through !== undefined && plain === undefined && credential.base === undefined) {
    return control(credential, { ...options, through: undefined }, 'through')
  }
  if (plain?.isCredential || (plain && credential.base === undefined)) {
    return control(credential, plain.options, plain.element)
  }
  // A credential that was derived more than once has its own control in the step before.
  return credential.base && control(credential.base, options, credential.label)
}

/** Parts that the target had to look at: all that reached it, or the one that is enough by itself. */
export function judgedParts(
  {
    presented,
    target: { verification },
    lost = [],
  }: { presented: Presented; target: Pick<Target, 'verification'>; lost?: readonly string[] | undefined },
  carried: readonly PartName[],
  live: LiveKinds,
): PartName[] {
  const there = [...live.values()].filter(({ part, inHandshake }) => {
    return presented[part] !== undefined && !lost.includes(part) && (inHandshake || carried.includes(part))
  })
  const enough = there.find((kind) => verification && kind.suffices?.(presented, verification))
  // Two kinds may be presented as the same part.
  return [...new Set((enough === undefined ? there : [enough]).map(({ part }) => part))]
}

/** What is kept of a verdict: no functions, nothing that stands in the plan, nothing twice. */
function recorded({ evidence: _, again: __, json: ___, accepts: ____, verification: _____, ...verdict }: Verdict) {
  const { answer: ______, protocol: _______, live: ________, sent: _s, came: _c, log: _l, ...call } = verdict
  return { ...call, control: call.control && { ...call.control, call: undefined } }
}
