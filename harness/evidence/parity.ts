import { isDeepStrictEqual } from 'node:util'

/** One call of a test as it is held against the same call elsewhere: what is another value in each run is told by what it is the value of. */
export interface SeenCall {
  readonly from: string
  readonly to: string
  readonly action: string
  readonly credential: string
  readonly verdict: string
  readonly layer: string
  readonly status: number | null
  readonly error: string | null
  readonly reason: string | null
  readonly guard: string | null
  /** Proven values; those of what was presented by its name. */
  readonly principal?: Readonly<Record<string, string>>
  readonly weakerProof?: string
  readonly control?: { readonly accepted: boolean }
  /** Made while the test waited, for the wait of this number: how often depends on the time. */
  readonly wait?: number
  /** Made to hold refusals against it, and judged with those: which test makes it depends on the tests before. */
  readonly beside?: true
  /** So many calls ended while it was under way: it came neither before nor after them. */
  readonly meanwhile?: number
}

/** What came of one test on one ground. */
export interface SeenTest {
  /** Its claim. */
  readonly scenario: string
  readonly name: string
  readonly file: string
  readonly state: 'passed' | 'failed' | 'did not run'
  /** Why it did not run. */
  readonly reason?: string
  /** How it failed, in one line that is the same wherever it fails so. */
  readonly failure?: string
  readonly calls?: readonly SeenCall[]
  /** Its page of evidence, where it failed. */
  readonly page?: string
  /** Folder that keeps the evidence of its site. */
  readonly evidence?: string
}

/** All tests of one run, and the ground it stood on. */
export interface SeenOn {
  /** `process`. */
  readonly ground: string
  readonly tests: readonly SeenTest[]
}

/** A file that did not come to its tests is told as one of this name. */
export const wholeFile = 'the file as a whole'

export type NamedTest = Pick<SeenTest, 'scenario' | 'name' | 'file'>

/** A test that two grounds do not see alike. */
export interface Difference extends NamedTest {
  /** What of it: `state`, `calls` (other ones, or in another order), or members of a call. */
  readonly members: readonly string[]
  /** Which of its calls, beginning with 1; absent where it is the test as such. */
  readonly number?: number
  /** So many more of its calls differ. */
  readonly more: number
  /** What the first ground saw, and the other one. */
  readonly seen: readonly [SeenThere, SeenThere]
}

export interface SeenThere extends Pick<SeenTest, 'failure' | 'page' | 'evidence'> {
  readonly ground: string
  /** Undefined: it has no such test, and nothing says why. */
  readonly state?: SeenTest['state']
  /** How many calls were compared. */
  readonly calls: number
  /** The one that differs. Undefined: it was not made. */
  readonly call?: SeenCall
}

/** A test that did not run on all grounds, each with its reason. */
export interface RanApart extends NamedTest {
  readonly on: readonly string[]
  readonly not: readonly { readonly ground: string; readonly reason: string }[]
}

/** A test that these grounds see alike; of others, it says nothing. */
export interface SeenAlike extends NamedTest {
  readonly on: readonly string[]
}

/** What came of holding the same tests on several grounds against each other. */
export interface Parity {
  readonly grounds: readonly string[]
  /** Tests that all grounds on which they ran, two at least, see alike; and how many calls those made. */
  readonly same: readonly SeenAlike[]
  readonly calls: number
  readonly differing: readonly Difference[]
  /** Told apart: they prove nothing about the others. */
  readonly apart: readonly RanApart[]
}

/**
 * Holds what several grounds saw of the same tests against what the first of them saw: state, and of each call in its order verdict, layer,
 * status, error, reason, guard and what was proven. Pure.
 */
export function parityOf(runs: readonly SeenOn[]): Parity {
  const places = runs.map(({ ground, tests }) => ({ ground, byKey: byKey(tests), whole: wholeFiles(tests) }))
  const keys = new Set(places.flatMap(({ byKey }) => [...byKey.keys()]))
  const [same, differing, apart]: [SeenAlike[], Difference[], RanApart[]] = [[], [], []]
  let calls = 0
  for (const key of keys) {
    const found = places.map((place) => ({ ...place, test: byKeyOf(place, key) }))
    const ran = found.filter(({ test }) => test !== undefined && test.state !== 'did not run')
    const [first, ...others] = ran
    if (first === undefined) continue
    const named = nameOf(first.test!)
    const unlike = others.flatMap((other) => differenceOf(first.ground, first.test!, other.ground, other.test!) ?? [])
    const gone = found.filter((one) => !ran.includes(one)).map((one) => ({ ...one, reason: reasonOf(one, named.file) }))
    const vanished = gone.filter(({ reason }) => reason === undefined).map(({ ground }) => vanishedOn(ground, first))
    const not = gone.flatMap(({ ground, reason }) => (reason === undefined ? [] : [{ ground, reason }]))
    differing.push(...unlike, ...vanished)
    const on = ran.map(({ ground }) => ground)
    if (not.length > 0) apart.push({ ...named, on, not })
    if (others.length === 0 || unlike.length + vanished.length > 0) continue
    same.push({ ...named, on })
    calls += judgedCalls(first.test!.calls).length
  }
  return { grounds: runs.map(({ ground }) => ground), same, calls, differing, apart }
}

interface Place {
  readonly ground: string
  readonly byKey: ReadonlyMap<string, SeenTest>
  readonly whole: ReadonlyMap<string, string>
}

function byKeyOf({ byKey }: Place, key: string): SeenTest | undefined {
  return byKey.get(key)
}

/** Tests by file and name; a name that a file has twice counts its tests. */
function byKey(tests: readonly SeenTest[]): Map<string, SeenTest> {
  const all = new Map<string, SeenTest>()
  for (const test of tests) {
    let key = JSON.stringify([test.file, test.name])
    while (all.has(key)) key += '+'
    all.set(key, test)
  }
  return all
}

/** Files that told nothing of their tests, each with why. */
function wholeFiles(tests: readonly SeenTest[]): Map<string, string> {
  const whole = tests.filter(({ name }) => name === wholeFile)
  return new Map(whole.map(({ file, reason, failure }) => [file, reason ?? failure ?? 'its file failed']))
}

function reasonOf({ test, whole }: Place & { test?: SeenTest | undefined }, file: string): string | undefined {
  return test === undefined ? whole.get(file) : (test.reason ?? 'nothing says why')
}

function nameOf({ scenario, name, file }: SeenTest): NamedTest {
  return { scenario, name, file }
}

function vanishedOn(ground: string, { ground: first, test }: Place & { test?: SeenTest | undefined }): Difference {
  const there = seenThere(first, test!, judgedCalls(test!.calls))
  return { ...nameOf(test!), members: ['state'], more: 0, seen: [there, { ground, calls: 0 }] }
}

function seenThere(ground: string, test: SeenTest, { length }: readonly SeenCall[], call?: SeenCall): SeenThere {
  const { state, failure, page, evidence } = test
  return { ground, state, failure, page, evidence, calls: length, ...(call && { call }) }
}

function differenceOf(ground: string, one: SeenTest, elsewhere: string, other: SeenTest): Difference | undefined {
  const [ours, theirs] = [judgedCalls(one.calls), judgedCalls(other.calls)]
  const [first, ...more] = differingCalls(ours, theirs)
  const isFailedOtherwise = one.state !== other.state || one.failure !== other.failure
  if (first === undefined && !isFailedOtherwise) return undefined
  return {
    ...nameOf(one),
    members: [...(isFailedOtherwise ? ['state'] : []), ...(first?.members ?? [])],
    ...(first && { number: first.number }),
    more: more.length,
    seen: [seenThere(ground, one, ours, first?.one), seenThere(elsewhere, other, theirs, first?.other)],
  }
}

/** A call that is compared, and whether it was under way together with the one before. */
interface Judged extends SeenCall {
  readonly isBesideLast: boolean
}

/** Calls in their order, without those that depend on time or on other tests: of each wait what ended it. */
function judgedCalls(calls: readonly SeenCall[] = []): Judged[] {
  const blocks: number[] = []
  for (const [at, { meanwhile = 0 }] of calls.entries()) {
    blocks.push(at)
    // Whatever was under way at once is one block.
    for (let before = at - 1; before >= Math.max(0, at - meanwhile); before -= 1) {
      blocks.fill(blocks[before]!, before, at + 1)
    }
  }
  const last = new Map(calls.map((call, at) => [waitKey(call, at), at]))
  const judged = calls.map((call, at) => ({ call, block: blocks[at]!, isLast: last.get(waitKey(call, at)) === at }))
  const kept = judged.filter(({ call, isLast }) => isLast && call.beside === undefined)
  return kept.map(({ call, block }, at) => ({ ...call, isBesideLast: kept[at - 1]?.block === block }))
}

function waitKey(call: SeenCall, at: number): string {
  return call.wait === undefined ? `${at}` : JSON.stringify([call.wait, calledWhat(call)])
}

function calledWhat({ from, to, action, credential }: SeenCall): string[] {
  return [from, to, action, credential]
}

/** What two calls have in common where a target judges them alike. */
function outcomeOf(call: SeenCall): Record<string, unknown> {
  const { verdict, layer, status, error, reason, guard, principal = {}, weakerProof, control } = call
  // What a refusal is held against depends on the calls before it; that there is something, and that it is accepted, does not. What is
  // accepted needs nothing beside it: whether it was held against something is by chance.
  const held = verdict === 'refused' ? control?.accepted : undefined
  return { verdict, layer, status, error, reason, guard, principal, weakerProof, control: held }
}

interface CallDifference {
  readonly number: number
  readonly members: readonly string[]
  readonly one: SeenCall | undefined
  readonly other: SeenCall | undefined
}

function differingCalls(ones: readonly Judged[], others: readonly Judged[]): CallDifference[] {
  if (ones.length !== others.length) {
    const at = Array.from({ length: Math.max(ones.length, others.length) }).findIndex(
      (_, index) => membersThatDiffer(ones[index], others[index]).length > 0,
    )
    return [{ number: at + 1, members: ['calls'], one: ones[at], other: others[at] }]
  }
  const begins = ones.flatMap((one, at) => (one.isBesideLast || others[at]!.isBesideLast ? [] : at))
  return begins.flatMap((from, index) => {
    const to = begins[index + 1] ?? ones.length
    return unmatched(ones.slice(from, to), others.slice(from, to), from)
  })
}

/** Of calls that were under way at once, those that nothing on the other side is like. */
function unmatched(ones: readonly SeenCall[], others: readonly SeenCall[], from: number): CallDifference[] {
  const left = [...others]
  const rest = ones.flatMap((one, at) => {
    const alike = left.findIndex((other) => membersThatDiffer(one, other).length === 0)
    if (alike !== -1) left.splice(alike, 1)
    return alike === -1 ? [{ one, number: from + at + 1 }] : []
  })
  return rest.map(({ one, number }) => {
    const same = left.findIndex((other) => isDeepStrictEqual(calledWhat(one), calledWhat(other)))
    const [other] = left.splice(Math.max(0, same), 1)
    return { number, members: membersThatDiffer(one, other), one, other }
  })
}

function membersThatDiffer(one: SeenCall | undefined, other: SeenCall | undefined): string[] {
  if (one === undefined || other === undefined) return ['calls']
  if (!isDeepStrictEqual(calledWhat(one), calledWhat(other))) return ['calls']
  const [ours, theirs] = [outcomeOf(one), outcomeOf(other)]
  return Object.keys(ours).filter((member) => !isDeepStrictEqual(ours[member], theirs[member]))
}

/** What one ground saw, in one line; `members`: what of it differs, and is told though it is long. */
export function seenText({ state, failure, call, calls }: SeenThere, { members, number }: Difference): string {
  if (state === undefined) return 'has no such test'
  const how = members.includes('state') ? [failure === undefined ? state : `${state}: ${failure}`] : []
  if (number === undefined) return how.join()
  const made = call === undefined ? `no call ${number}` : callText(call, members)
  const count = members.includes('calls') ? [`${calls} ${calls === 1 ? 'call' : 'calls'}`] : []
  return [...how, ...count, made].join('; ')
}

/** `refused 401 invalid_token in http, cnf_missing (token.binding)`, and of `members` those that are long. */
export function callText(call: SeenCall, members: readonly string[]): string {
  const { verdict, layer, status, error, reason, guard, principal = {}, weakerProof, control } = call
  const answer = [verdict, status, error, `in ${layer}`].filter((part) => part !== null).join(' ')
  const why = reason === null && guard === null ? '' : `, ${reason ?? 'no reason'} (${guard ?? 'no guard'})`
  const proven = Object.entries(principal).map(([name, value]) => `${name} ${value}`)
  const shown = members.includes('principal') ? `, proven ${proven.join(', ') || 'nothing'}` : ''
  return [
    ...(members.includes('calls') ? [`${calledText(call)}:`] : []),
    answer + why + shown,
    ...(members.includes('weakerProof') ? [`by ${weakerProof ?? 'a decision record'}`] : []),
    ...(members.includes('control') ? [`control ${controlText(control)}`] : []),
  ].join(' ')
}

function controlText(control: SeenCall['control']): string {
  if (control === undefined) return 'none'
  return control.accepted ? 'accepted' : 'not accepted'
}

/** `node-b -> node-a peering:connect with peer-b-to-a`. */
export function calledText({
  from,
  to,
  action,
  credential,
}: Pick<SeenCall, 'from' | 'to' | 'action' | 'credential'>): string {
  return `${from} -> ${to} ${action} with ${credential}`
}

/** `412 cells and claims the same on process and netns, in 530 calls · 1 differs: claim: test · 3 ran on process only`. */
export function parityText({ grounds, same, calls, differing, apart }: Parity): string {
  const names = [...new Set(differing.map(({ scenario, name }) => `${scenario}: ${name}`))]
  const some = names.slice(0, 3).join('; ')
  const rest = names.length > 3 ? `; and ${names.length - 3} more` : ''
  const differ = names.length === 0 ? '0 differ' : `${names.length} ${names.length === 1 ? 'differs' : 'differ'}: `
  const everywhere = same.filter(({ on }) => on.length === grounds.length).length
  const elsewhere = Map.groupBy(
    same.filter(({ on }) => on.length < grounds.length),
    ({ on }) => on.join(' and '),
  )
  return [
    [
      `${everywhere} ${everywhere === 1 ? 'cell or claim' : 'cells and claims'} the same on ${grounds.join(' and ')}`,
      ...[...elsewhere].map(([on, tests]) => `${tests.length} on ${on} alone`),
      `in ${calls} ${calls === 1 ? 'call' : 'calls'}`,
    ].join(', '),
    differ + some + rest,
    ...[...Map.groupBy(apart, ({ on }) => on.join(' and '))].map(([on, tests]) => `${tests.length} ran on ${on} only`),
  ].join(' · ')
}
