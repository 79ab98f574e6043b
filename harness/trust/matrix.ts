import type { Plan, PlanCredential, PlanUnit } from '../topology/plan.ts'
import type { ActionVerification, VerificationCheck } from '../topology/verification.ts'
import {
  type AcceptedBecause,
  type Cell,
  type ExpectedVerdict,
  expectedText,
  type PresentedCertificate,
  type TokenState,
  tokenStates,
} from './cell.ts'
import { type GraphCredential, trustGraph } from './graph.ts'
import { type CertificateFacts, judge } from './judge.ts'
import { type MatrixMistake, MatrixNotDerivable } from './matrix-mistakes.ts'

/** All that a topology says about its refusals. */
export interface Matrix {
  topology: string
  /** How many cells there are. */
  cells: number
  /** By target and action. */
  classes: CellClass[]
}

/** Cells that take the same way through the checks of one target. */
export interface CellClass {
  /** The cell in which the fewest things are wrong. */
  representative: Cell
  /** How many cells are like it, itself included. */
  count: number
  /** A cell of the same target and action that is accepted, fresh and over its own certificate: the positive control. */
  control: Cell
}

/** Where calls go: a target with what it checks for an action. */
interface Place {
  target: string
  action: string
  verification: ActionVerification
}

interface Register {
  plan: Plan
  certificates: GraphCredential[]
  tokens: PlanCredential[]
  credentials: ReadonlyMap<string, GraphCredential>
}

/**
 * Derives from a plan every call that its credentials allow to try, and what must come of each. Pure.
 * `full` makes each cell a class of its own.
 *
 * @throws MatrixNotDerivable with all mistakes: a target that says nothing about its checks, an accept that its target would refuse,
 * a call that a target would accept and the topology does not.
 */
export function deriveMatrix(plan: Plan, { full = false }: { full?: boolean } = {}): Matrix {
  const register = registerOf(plan)
  const mistakes = unknownPlaces(plan)
  const matrix: Matrix = { topology: plan.topology, cells: 0, classes: [] }
  for (const place of placesOf(plan)) {
    const accepted = new Set(plan.accepts.filter(at(place)).map(({ credential }) => credential))
    const classes = new Map<string, { representative: Cell; count: number }>()
    for (const cell of cellsOf(register, place, accepted)) {
      mistakes.push(...mistakesOf(cell, accepted))
      matrix.cells += 1
      const key = full ? String(matrix.cells) : classKey(cell)
      const known = classes.get(key)
      const isClearer = known === undefined || noise(cell, accepted) < noise(known.representative, accepted)
      classes.set(key, { representative: isClearer ? cell : known.representative, count: (known?.count ?? 0) + 1 })
    }
    const all = [...classes.values()]
    const control = controlAmong(all.map(({ representative }) => representative))
    if (control === undefined) mistakes.push(nobodyAccepted(place))
    else matrix.classes.push(...all.map((one) => ({ ...one, control })))
  }
  if (mistakes.length > 0) throw new MatrixNotDerivable(plan.topology, mistakes)
  return matrix
}

function registerOf(plan: Plan): Register {
  const { credentials } = trustGraph(plan)
  return {
    plan,
    credentials: new Map(credentials.map((credential) => [credential.name, credential])),
    certificates: credentials.filter(({ kind }) => kind === 'certificate'),
    tokens: Object.values(plan.credentials).filter(({ kind }) => kind === 'bound-token'),
  }
}

function placesOf(plan: Plan): Place[] {
  return Object.values(plan.nodes).flatMap(({ name, units }) =>
    units.flatMap((unit: PlanUnit) =>
      Object.entries(unit.verification ?? {}).map(([action, verification]) => ({ target: name, action, verification })),
    ),
  )
}

/** Every call at one place, one after the other: there may be millions in a large mesh. */
function* cellsOf(register: Register, place: Place, accepted: ReadonlySet<string>): Generator<Cell> {
  yield cellOf(register, place, accepted, undefined, { is: 'none' })
  for (const { name } of register.certificates) {
    for (const certificate of [{ is: 'own', credential: name }, ...spoiled(name)] as const) {
      yield cellOf(register, place, accepted, undefined, certificate)
    }
  }
  if (place.verification.carrier === 'none') return
  for (const { name, boundTo = '' } of register.tokens) {
    for (const state of tokenStates) {
      for (const certificate of certificatesFor(register, boundTo)) {
        yield cellOf(register, place, accepted, { credential: name, state }, certificate)
      }
    }
  }
}

function certificatesFor({ certificates }: Register, boundTo: string): PresentedCertificate[] {
  const others = certificates.filter(({ name }) => name !== boundTo)
  return [
    { is: 'own', credential: boundTo },
    ...others.map(({ name }) => ({ is: 'of another' as const, credential: name })),
    ...spoiled(boundTo),
    { is: 'none' },
  ]
}

function spoiled(credential: string): PresentedCertificate[] {
  return [
    { is: 'of an unknown CA', credential },
    { is: 'expired', credential },
  ]
}

function cellOf(
  register: Register,
  { target, action, verification }: Place,
  accepted: ReadonlySet<string>,
  token: Cell['token'],
  certificate: PresentedCertificate,
): Cell {
  const facts = {
    certificate: certificateFacts(register, certificate),
    token: tokenFacts(register, token, certificate),
  }
  const { isOperator, fails } = judge(verification, facts)
  const decisive = verification.order.find(({ check }) => check === fails[0])
  const isDeclared = accepted.has(asDeclared({ token, certificate }) ?? '')
  const because = isDeclared ? 'accepts' : isOperator ? 'operator' : unnoticed(token?.state)
  const expected: ExpectedVerdict = decisive === undefined ? { verdict: 'accepted', because } : refusal(decisive)
  return { target, action, ...(token && { token }), certificate, expected, fails }
}

/** Why what is wrong with a token does not keep it out, at a target that makes no check of it. */
function unnoticed(state: TokenState | undefined): AcceptedBecause {
  if (state === 'key retired') return 'key kept'
  return state === 'without scope' || state === 'for another node' ? 'not looked at' : 'not asked'
}

/** The credential that is presented as its holder would: nothing spoiled, nothing put together from two. */
function asDeclared({ token, certificate }: Pick<Cell, 'token' | 'certificate'>): string | undefined {
  if (certificate.is !== 'own') return undefined
  if (token === undefined) return certificate.credential
  return token.state === 'fresh' ? token.credential : undefined
}

function refusal({ check: _, ...what }: VerificationCheck): ExpectedVerdict {
  return { verdict: 'refused', ...what }
}

function certificateFacts({ plan, credentials }: Register, certificate: PresentedCertificate): CertificateFacts {
  if (certificate.is === 'none') return { is: 'none', sans: [] }
  const { sans, subject } = plan.credentials[certificate.credential]!
  return { is: certificate.is, domain: credentials.get(certificate.credential)!.domain, sans: sans ?? [subject] }
}

function tokenFacts({ plan, credentials }: Register, token: Cell['token'], certificate: PresentedCertificate) {
  if (token === undefined) return undefined
  const { subject, audience = [], scope = [], nodes } = plan.credentials[token.credential]!
  const domain = credentials.get(token.credential)!.domain
  const issuer = plan.trustDomains[domain]?.issuerUrl
  return { state: token.state, issuer, subject, audience, scope, nodes, isOverItsOwn: certificate.is === 'own' }
}

/** The way through the checks: which one refuses, and which one would if that were not there. */
export function classKey({ expected, fails, token, certificate }: Cell): string {
  if (expected.verdict === 'refused') {
    return expected.layer === 'tls' ? `${fails[0]} ${certificate.is}` : fails.slice(0, 2).join(' ')
  }
  return `accepted ${expected.because} ${expected.because === 'operator' ? certificate.is : `${token?.credential} ${token?.state}`}`
}

/** How far a cell is from one that is accepted: the class is told by the nearest. */
function noise({ fails, token }: Cell, accepted: ReadonlySet<string>): number {
  const strangeness = token === undefined ? 2 : accepted.has(token.credential) && token.state === 'fresh' ? 0 : 1
  return fails.length * 10 + strangeness
}

function controlAmong(cells: readonly Cell[]): Cell | undefined {
  const accepted = (because: string) =>
    cells.find(({ expected }) => expected.verdict === 'accepted' && expected.because === because)
  return accepted('accepts') ?? accepted('operator')
}

function mistakesOf(cell: Cell, accepted: ReadonlySet<string>): MatrixMistake[] {
  const { expected, target, action } = cell
  const credential = asDeclared(cell)
  if (credential === undefined) return []
  const isAccepted = expected.verdict === 'accepted' && expected.because !== 'operator'
  if (isAccepted === accepted.has(credential)) return []
  const entry = `{ target = "${target}"; action = "${action}"; credential = "${credential}"; }`
  const place = `${target} ${action}`
  return isAccepted
    ? [{ place, message: `accepts holds no ${entry}, and the node would accept it`, wayOut: 'add it, or grant less' }]
    : [
        {
          place,
          message: `accepts holds ${entry}, and it is ${expectedText(expected)}`,
          wayOut: 'remove it, or mend that',
        },
      ]
}

function unknownPlaces(plan: Plan): MatrixMistake[] {
  const known = new Set(placesOf(plan).map(({ target, action }) => `${target} ${action}`))
  const unknown = new Set(
    plan.accepts.map(({ target, action }) => `${target} ${action}`).filter((one) => !known.has(one)),
  )
  return [...unknown].map((place) => ({
    place,
    message: 'no unit says how it judges the callers of this action, so nothing can be derived about it',
    wayOut: 'let its service kind declare its verification',
  }))
}

function nobodyAccepted({ target, action }: Place): MatrixMistake {
  return {
    place: `${target} ${action}`,
    message: 'nobody is accepted there, so a refusal would prove nothing',
    wayOut: 'say in accepts who is, or name operators',
  }
}

function at({ target, action }: Place) {
  return (accept: { target: string; action: string }) => accept.target === target && accept.action === action
}
