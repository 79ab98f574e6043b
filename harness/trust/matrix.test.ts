import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { credentialOf } from '../credentials/of-kind.ts'
import { compile, credentialKinds } from '../shipped.ts'
import { apart } from '../topology/fixtures/apart.ts'
import { loadTopology } from '../topology/load.ts'
import type { Plan } from '../topology/plan.ts'
import { type Cell, cellCaller } from './cell.ts'
import { deriveMatrix, MatrixNotDerivable } from './matrix.ts'

async function planOf(name: string, set: Record<string, string> = {}): Promise<Plan> {
  return compile(await loadTopology(name, { set }))
}

function allCells(plan: Plan): Cell[] {
  return deriveMatrix(plan, credentialKinds, { full: true }).classes.map(({ representative }) => representative)
}

/** `accepted`, or the reason of the refusal; `T0` before one that is made at TLS. */
function outcome({ expected }: Cell): string {
  if (expected.verdict === 'accepted') return 'accepted'
  return expected.layer === 'tls' ? `T0 ${expected.reason}` : expected.reason
}

interface Call {
  token: string
  state?: string
  /** Name of a certificate, or what is wrong with it. */
  over: string
}

function outcomeOf(cells: readonly Cell[], target: string, action: string, { token, state = 'fresh', over }: Call) {
  const shown = { credential: token, state }
  const found = cells.filter(({ presents, ...cell }) => {
    const { credential, state: is } = presents.certificate ?? { credential: 'none', state: 'fresh' }
    const isOver = over === (is === 'fresh' ? credential : is)
    return cell.target === target && cell.action === action && isOver && isDeepStrictEqual(presents.token, shown)
  })
  expect(found, `${token} ${state} over ${over}`).toHaveLength(1)
  return outcome(found[0]!)
}

const places = [
  ['node-a', 'peering:connect'],
  ['node-b', 'peering:connect'],
  ['node-a', 'node:read'],
  ['node-b', 'node:read'],
] as const

describe('who is accepted where: separate-auth', async () => {
  const cells = allCells(await planOf('separate-auth'))
  test.each([
    // Presented, over, then: peering at A, peering at B, local API at A, local API at B.
    ['peer-b-to-a', 'cert-node-b', 'accepted', 'issuer_untrusted', 'T0 cert_untrusted', 'issuer_untrusted'],
    ['peer-b-to-a', 'cert-node-a', 'cnf_x5t_mismatch', 'issuer_untrusted', 'cnf_x5t_mismatch', 'T0 cert_untrusted'],
    ['node-b', 'cert-node-b', 'issuer_untrusted', 'peer_unknown', 'T0 cert_untrusted', 'accepted'],
    ['node-a', 'cert-node-a', 'peer_unknown', 'issuer_untrusted', 'accepted', 'T0 cert_untrusted'],
    ['peer-a-to-b', 'cert-node-a', 'issuer_untrusted', 'accepted', 'issuer_untrusted', 'T0 cert_untrusted'],
    ...['peer-b-to-a', 'peer-a-to-b', 'node-a', 'node-b'].flatMap((token) => [
      [token, 'none', 'T0 cert_missing', 'T0 cert_missing', 'T0 cert_missing', 'T0 cert_missing'],
      [token, 'of an unknown CA', ...Array(4).fill('T0 cert_untrusted')],
    ]),
  ])('%s over %s', (token, over, ...expected) => {
    expect(places.map(([target, action]) => outcomeOf(cells, target, action, { token, over }))).toEqual(expected)
  })
})

describe('who is accepted where: shared-auth', async () => {
  const cells = allCells(await planOf('shared-auth', { nodes: '3' }))
  const mismatch = Array(4).fill('cnf_x5t_mismatch')
  test.each([
    ['node-b', 'cert-node-b', 'accepted', 'peer_unknown', 'audience_mismatch', 'accepted'],
    // The audience is judged before the binding.
    ['node-b', 'cert-node-a', ...mismatch.with(2, 'audience_mismatch')],
    ['node-b', 'cert-node-c', ...mismatch.with(2, 'audience_mismatch')],
    ['node-a', 'cert-node-a', 'peer_unknown', 'accepted', 'accepted', 'audience_mismatch'],
    ['node-b', 'none', ...Array(4).fill('T0 cert_missing')],
    ['node-b', 'of an unknown CA', ...Array(4).fill('T0 cert_untrusted')],
    ['node-b', 'expired', ...Array(4).fill('T0 cert_expired')],
  ])('%s over %s', (token, over, ...expected) => {
    expect(places.map(([target, action]) => outcomeOf(cells, target, action, { token, over }))).toEqual(expected)
  })
})

describe('what becomes of a token that was accepted', async () => {
  const modes = ['both', 'jwks', 'introspection']
  const cells = await Promise.all(
    modes.map(async (validation) => allCells(await planOf('shared-auth', { validation }))),
  )
  test.each([
    ['fresh', 'accepted', 'accepted', 'accepted'],
    ['expired', 'token_expired', 'token_expired', 'token_inactive'],
    ['not yet valid', 'token_not_yet_valid', 'token_not_yet_valid', 'token_inactive'],
    // Without asking, a node takes it until it expires.
    ['revoked', 'token_inactive', 'accepted', 'token_inactive'],
    ['key retired', 'kid_unknown', 'kid_unknown', 'token_inactive'],
    ['tampered', 'signature_invalid', 'signature_invalid', 'token_inactive'],
    ['naming another issuer', 'issuer_untrusted', 'issuer_untrusted', 'issuer_untrusted'],
    ['unbound', 'cnf_missing', 'cnf_missing', 'token_inactive'],
    ['bound elsewhere', 'cnf_x5t_mismatch', 'cnf_x5t_mismatch', 'token_inactive'],
    ['without scope', 'scope_insufficient', 'scope_insufficient', 'token_inactive'],
    ['for another node', 'node_not_trusted', 'node_not_trusted', 'token_inactive'],
  ])('%s', (state, ...expected) => {
    const call = { token: 'node-b', state, over: 'cert-node-b' }
    expect(cells.map((mode) => outcomeOf(mode, 'node-a', 'peering:connect', call))).toEqual(expected)
  })

  test('bound to whoever presents it: the name tells', () => {
    const call = { token: 'node-b', state: 'bound to the presenter', over: 'cert-node-a' }

    expect(outcomeOf(cells[0]!, 'node-a', 'peering:connect', call)).toBe('san_mismatch')
    expect(outcomeOf(cells[0]!, 'node-b', 'node:read', call)).toBe('not_operator')
  })
})

test('the exact answer: layer, status, error, guard, reason', async () => {
  const cells = allCells(await planOf('separate-auth'))
  const expectedOf = (name: string) =>
    cells.find((cell) => cell.target === 'node-a' && cell.action === 'node:routes' && cell.name === name)?.expected

  expect(expectedOf('node-a, without a certificate')).toEqual({
    ...{ verdict: 'refused', layer: 'tls', status: null, error: null },
    ...{ guard: 'peer.tls', reason: 'cert_missing' },
  })
  expect(expectedOf('no token, over cert-node-a')).toEqual({
    ...{ verdict: 'refused', layer: 'http', status: 401, error: null },
    ...{ guard: 'peer.carrier', reason: 'token_missing' },
  })
  expect(expectedOf('node-a, over cert-node-a')).toEqual({ verdict: 'accepted', because: 'accepts' })
})

test('an operator needs no token, and none stands in its way; at the other organisation its certificate is nothing', async () => {
  const cells = allCells(await planOf('separate-auth')).filter(({ action }) => action === 'node:routes')
  const own = { credential: 'operator-a', state: 'fresh' }
  const genuine = cells.filter(({ presents }) => isDeepStrictEqual(presents.certificate, own))

  const at = (target: string) => new Set(genuine.filter((cell) => cell.target === target).map(outcome))
  expect(at('node-a')).toEqual(new Set(['accepted']))
  expect(at('node-b')).toEqual(new Set(['T0 cert_untrusted']))
})

describe('classes', () => {
  test('hold all cells, and tell each by the one with the fewest other faults', async () => {
    const plan = await planOf('separate-auth', { orgs: '3' })
    const { cells, classes } = deriveMatrix(plan, credentialKinds)

    expect(cells).toBe(allCells(plan).length)
    expect(classes.reduce((sum, { count }) => sum + count, 0)).toBe(cells)
    expect(classes.length).toBeLessThan(cells / 20)
    const mismatches = classes.filter(
      ({ representative: { target, fails } }) => target === 'node-a' && fails[0] === 'bound-token/binding',
    )
    expect(mismatches.map(({ representative }) => representative.fails.length)).toContain(2)
  })

  test('each has a control that its own target accepts for its own action', async () => {
    for (const { representative, control } of deriveMatrix(await planOf('separate-auth'), credentialKinds).classes) {
      expect(control).toMatchObject({ target: representative.target, action: representative.action })
      // Nobody but operators is declared to be let in at an auth server's operator API.
      const isOperators = representative.action.startsWith('operator:')
      const because = isOperators ? { because: 'settled', as: 'operator' } : { because: 'accepts' }
      expect(control.expected).toEqual({ verdict: 'accepted', ...because })
    }
  })

  test('every reason that a cell can have is tried at every target that can give it', async () => {
    const plan = await planOf('separate-auth')
    const reasons = (cells: readonly Cell[]) =>
      new Set(cells.map((cell) => `${cell.target} ${cell.action} ${outcome(cell)}`))

    expect(reasons(deriveMatrix(plan, credentialKinds).classes.map(({ representative }) => representative))).toEqual(
      reasons(allCells(plan)),
    )
  })
})

test('an action that a certificate alone authorises has no cells with tokens, and accepts certificates', async () => {
  const plan = structuredClone(await planOf('shared-auth'))
  const unit = plan.nodes['node-a']!.units.find(({ verification }) => verification !== undefined)!
  const tls = unit.verification!['node:read']!.checks.slice(0, 3)
  const named = { check: 'certificate/named', args: { sans: [plan.nodes['node-b']!.host] } }
  const refused = { guard: 'greeter.friend', reason: 'not_a_friend', layer: 'http', status: 403 } as const
  unit.verification = {
    'greeter:greet': {
      takes: [['certificate']],
      checks: [...tls, { ...named, ...refused, error: 'access_denied' }],
    },
  }
  plan.accepts = plan.accepts.filter(({ target }) => target !== 'node-a')
  plan.accepts.push({ target: 'node-a', action: 'greeter:greet', credential: 'cert-node-b' })

  const greeted = allCells(plan).filter(({ action }) => action === 'greeter:greet')
  expect(greeted.filter(({ presents }) => presents.token !== undefined)).toEqual([])
  const outcomes = greeted.map((cell) => [cell.presents.certificate?.credential, outcome(cell)])
  expect(outcomes).toContainEqual(['cert-node-b', 'accepted'])
  expect(outcomes).toContainEqual(['cert-node-a', 'not_a_friend'])
  expect(outcomes).toContainEqual([undefined, 'T0 cert_missing'])

  plan.accepts.push({ target: 'node-a', action: 'greeter:greet', credential: 'cert-node-a' })
  expect(() => deriveMatrix(plan, credentialKinds)).toThrow(/accepts holds .*"cert-node-a".*not_a_friend/)
})

describe('what cannot be derived is a mistake with its name', () => {
  test.each<[string, (plan: Plan) => void, RegExp]>([
    [
      'an accept that its target would refuse',
      (plan) => plan.accepts.push({ target: 'node-a', action: 'node:read', credential: 'node-b' }),
      /node-a node:read: accepts holds .*"node-b".*audience_mismatch/,
    ],
    [
      'a call that a target would accept and the topology does not',
      (plan) => {
        plan.accepts = plan.accepts.filter(({ target, action }) => target !== 'node-a' || action !== 'node:read')
      },
      /node-a node:read: accepts holds no .*"node-a".*would accept it; add it/,
    ],
    [
      'a target that says nothing about its checks',
      (plan) => {
        for (const unit of plan.nodes['node-a']!.units) delete unit.verification
      },
      /node-a peering:connect: no unit says how it judges/,
    ],
    [
      'a target where nobody is accepted',
      (plan) => {
        plan.accepts = plan.accepts.filter(({ target, action }) => target !== 'node-a' || action !== 'peering:connect')
        credentialOf(plan, 'bound-token', 'node-b').scope = []
      },
      /node-a peering:connect: nobody is accepted there/,
    ],
  ])('%s', async (_, spoil, expected) => {
    const plan = structuredClone(await planOf('shared-auth'))
    expect(deriveMatrix(plan, credentialKinds).cells).toBeGreaterThan(0)
    spoil(plan)

    expect(() => deriveMatrix(plan, credentialKinds)).toThrow(MatrixNotDerivable)
    expect(() => deriveMatrix(plan, credentialKinds)).toThrow(expected)
  })
})

test('a cell is called by the holder of what it presents, and by somebody else where that one is out of reach', () => {
  const plan = compile(apart())
  const presents = { certificate: { credential: 'cert-node-b', state: 'fresh' } }
  const cell = { target: 'node-a', action: 'peering:connect', name: '', presents, fails: [] } as unknown as Cell
  expect(cellCaller(cell, plan)).toBe('node-b')

  plan.nodes['node-b']!.networks = ['inside-b']
  expect(cellCaller(cell, plan)).toBe('auth-a')
  const listener = plan.nodes['node-a']!.units.flatMap(({ service }) => service?.listeners ?? [])
  for (const one of listener) one.network = 'inside-b'
  expect(cellCaller(cell, plan)).toBe('node-b')
})
