import { expect, test } from 'vitest'
import type { CheckedKind } from '../credentials/checks.ts'
import type { Plan, PlanCredential } from '../topology/plan.ts'
import type { ActionVerification, PlannedCheck, Refusal } from '../topology/verification.ts'
import { deriveMatrix } from './matrix.ts'

// Kinds that nobody ships: what is derived knows none by name.
const badge: CheckedKind = {
  name: 'badge',
  part: 'certificate',
  spoiledBeside: 'companions',
  states: { fresh: { text: (name) => `by ${name}` }, torn: { text: (name) => `by a torn ${name}` } },
  absent: 'by nobody',
  checks: {
    shown: { because: 'nobody comes in without one', passes: ({ certificate }) => certificate !== undefined },
    whole: { because: 'it is torn', passes: ({ certificate }) => certificate?.state !== 'torn' },
    named: {
      because: 'it is of somebody else',
      passes: ({ certificate }, { name }: { name: string }) => certificate?.planned.name === name,
    },
  },
}
const ticket: CheckedKind = {
  name: 'ticket',
  part: 'token',
  beside: (planned) => [ownerOf(planned)!],
  spoiledBeside: 'everything',
  states: {
    fresh: { text: (name) => name },
    used: { text: (name) => `a used ${name}`, unnoticed: 'nobody tears it' },
  },
  absent: 'no ticket',
  checks: {
    shown: { because: 'it is asked for', passes: ({ token }) => token !== undefined },
    unused: { because: 'it was used', passes: ({ token }) => token?.state !== 'used' },
    own: {
      because: 'it is of somebody else',
      passes: ({ token, certificate }) => token === undefined || ownerOf(token.planned) === certificate?.planned.name,
    },
  },
}

const ownerOf = (planned: object) => (planned as { boundTo?: string }).boundTo

const http = { guard: 'door', layer: 'http', status: 403, error: 'no' } as const
const refusing = (check: string, more: Partial<Refusal & { when: string; args: object }> = {}) =>
  ({ check, reason: check, ...http, ...more }) as PlannedCheck
const ends = { layer: 'broker', status: null, error: null } as const

const checks = [
  refusing('badge/shown', ends),
  refusing('badge/whole', ends),
  refusing('ticket/shown'),
  refusing('ticket/own'),
]

function planOf(verification: ActionVerification, accepted: readonly string[] = ['opera']): Plan {
  const credential = (kind: string, name: string, boundTo?: string) => ({ kind, name, boundTo, holders: ['gate'] })
  const all = [credential('badge', 'ann'), credential('badge', 'bob'), credential('ticket', 'opera', 'ann')]
  return {
    topology: 'made-up',
    trustDomains: {},
    nodes: {
      gate: {
        name: 'gate',
        units: [{ name: 'porter', kind: 'gate', verification: { 'gate:pass/row 1': verification } }],
      },
    },
    credentials: Object.fromEntries(all.map((one) => [one.name, one as unknown as PlanCredential])),
    accepts: accepted.map((name) => ({ target: 'gate', action: 'gate:pass/row 1', credential: name })),
  } as unknown as Plan
}

function cellsOf(verification: ActionVerification, accepted?: readonly string[]) {
  const { classes } = deriveMatrix(planOf(verification, accepted), [badge, ticket], { full: true })
  return classes.map(({ representative: { name, expected } }) => {
    return `${name}: ${'reason' in expected ? expected.reason : expected.because}`
  })
}

const plain = [
  'no ticket, by nobody: badge/shown',
  'no ticket, by ann: ticket/shown',
  'no ticket, by a torn ann: badge/whole',
  'no ticket, by bob: ticket/shown',
  'no ticket, by a torn bob: badge/whole',
  'opera, by ann: accepts',
  'opera, by bob: ticket/own',
  'opera, by a torn ann: badge/whole',
  'opera, by nobody: badge/shown',
  'a used opera, by ann: nobody tears it',
  'a used opera, by bob: ticket/own',
  'a used opera, by a torn ann: badge/whole',
  'a used opera, by nobody: badge/shown',
]

test('each credential of each kind in each of its states, and none: spoiled ones beside what they belong to', () => {
  expect(cellsOf({ takes: [['badge', 'ticket']], checks })).toEqual(plain)
  const { classes } = deriveMatrix(planOf({ takes: [['badge', 'ticket']], checks }), [badge, ticket])
  expect(classes.map(({ count }) => count)).toEqual([3, 2, 4, 1, 2, 1])
})

test('of two alternatives, nothing is tried twice', () => {
  expect(cellsOf({ takes: [['badge'], ['badge', 'ticket']], checks })).toEqual([
    ...plain.slice(0, 5).map((one) => one.replace('no ticket, ', '')),
    ...plain.slice(5),
  ])
  expect(cellsOf({ takes: [['badge', 'ticket'], ['badge']], checks })).toEqual(plain)
})

test('what is put together from two is what nobody is accepted with', () => {
  const [shown, whole, , own] = checks
  const all = cellsOf({ takes: [['badge', 'ticket']], checks: [shown!, whole!, own!] }, ['ann', 'bob', 'opera'])
  expect(all.filter((one) => one.endsWith('accepts'))).toEqual([
    'no ticket, by ann: accepts',
    'no ticket, by bob: accepts',
    'opera, by ann: accepts',
  ])
})

test('everything is tried in each way, too, and a target judges what reaches it', () => {
  const ways = { 'by post': { call: { path: '/post' } }, 'through the fence': { call: {}, loses: ['token'] } }
  const takes = [['badge', 'ticket']]
  const lost: Readonly<Record<string, string>> = { accepts: 'ticket/shown', 'ticket/own': 'ticket/shown' }
  const reasons = plain.map((one) => one.split(': ') as [string, string])
  expect(cellsOf({ takes, checks, ways })).toEqual([
    ...plain,
    ...reasons.map(([name, reason]) => `${name}, by post: ${reason}`),
    ...reasons.map(([name, reason]) => {
      return `${name}, through the fence: ${lost[reason] ?? reason.replace('nobody tears it', 'ticket/shown')}`
    }),
  ])

  const { cells, classes } = deriveMatrix(planOf({ takes, checks, ways }), [badge, ticket])
  expect(cells).toBe(3 * plain.length)
  const byWay = Map.groupBy(classes, ({ representative }) => representative.way)
  expect([...byWay].map(([way, own]) => [way, own.length])).toEqual([
    [undefined, 6],
    ['by post', 6],
    ['through the fence', 3],
  ])
  // What another way is compared with is the usual one.
  expect(classes.every(({ control }) => control.way === undefined && control.name === 'opera, by ann')).toBe(true)
})

test('a class is told by a cell with which nothing else is wrong, also behind the end; a check that has none is named', () => {
  const { classes, unisolated } = deriveMatrix(planOf({ takes: [['badge', 'ticket']], checks }), [badge, ticket])
  const told = Object.fromEntries(classes.map(({ representative: { name, fails } }) => [fails.join(), name]))
  // Whoever lets torn badges in lets this one in.
  expect(told['badge/whole']).toBe('opera, by a torn ann')
  // Without a badge a ticket is nobody's own, so a refusal may be for that.
  expect(unisolated).toEqual([{ target: 'gate', action: 'gate:pass/row 1', check: 'badge/shown' }])
})

test('at the end of a way that is shut nobody is let in, whatever is presented, and nobody is looked at', () => {
  const shut = { guard: 'fence', reason: 'fenced', layer: 'tls', status: null, error: null } as const
  const takes = [['badge', 'ticket']]
  const all = cellsOf({ takes, checks, ways: { 'over the fence': { call: {}, shut } } })
  expect(all).toEqual([...plain, ...plain.map((one) => one.replace(/: .*/, ', over the fence: fenced'))])

  const { classes } = deriveMatrix(planOf({ takes, checks, ways: { 'over the fence': { call: {}, shut } } }), [
    badge,
    ticket,
  ])
  const over = classes.filter(({ representative }) => representative.way !== undefined)
  // What is accepted else stands for the others: nothing is wrong with it but its way.
  expect(over.map(({ representative: { name, expected } }) => [name, expected])).toContainEqual([
    'opera, by ann, over the fence',
    { verdict: 'refused', ...shut },
  ])
})

test('a way that is shut to who presents something is open to whoever does not', () => {
  const shut = { guard: 'fence', reason: 'fenced', layer: 'http', status: 400, error: 'no' } as const
  const ways = { 'over the fence': { call: {}, shut, shutFor: ['token'] } }
  const over = cellsOf({ takes: [['badge', 'ticket']], checks, ways }).slice(plain.length)
  expect(over).toEqual(
    plain.map((one) => {
      const [name, reason] = one.split(': ')
      return `${name}, over the fence: ${one.startsWith('no ticket') ? reason : 'fenced'}`
    }),
  )
})

test('on a way on which other reasons are given, these are expected', () => {
  const ways = { 'by post': { call: {}, loses: ['token'], reasons: { 'ticket/shown': 'not delivered' } } }
  const { classes } = deriveMatrix(planOf({ takes: [['badge', 'ticket']], checks, ways }), [badge, ticket])
  const posted = classes.flatMap(({ representative: { way, expected } }) =>
    way && 'reason' in expected ? expected.reason : [],
  )
  expect(posted.toSorted()).toEqual(['badge/shown', 'badge/whole', 'not delivered'])
})

test('a state that a credential cannot be in is not tried', () => {
  const states = { ...ticket.states, lent: { text: (name: string) => `a lent ${name}`, unnoticed: 'nobody asks' } }
  const cellsWith = (isPossible?: (name: string) => boolean) => {
    const lent = {
      ...states.lent,
      isPossible: ({ name }: PlanCredential, { topology }: Plan) => isPossible!(`${topology} ${name}`),
    }
    const kind: CheckedKind = { ...ticket, states: { ...states, lent: isPossible ? lent : states.lent } }
    const { classes } = deriveMatrix(planOf({ takes: [['badge', 'ticket']], checks }), [badge, kind], { full: true })
    return classes.length
  }
  expect(cellsWith((name) => name === 'made-up opera')).toBe(cellsWith())
  expect(cellsWith(() => false)).toBe(plain.length)
  expect(cellsWith()).toBe(plain.length + 4)
})

test('a check that settles lets in, and refuses nobody; one that depends on it is made behind it only', () => {
  const settling = { check: 'badge/named', args: { name: 'bob' }, settles: true } as const
  const takes = [['badge', 'ticket']]
  const [shown, whole, ...ofTicket] = checks
  expect(cellsOf({ takes, checks: [shown!, whole!, settling, ...ofTicket] })).toEqual(
    plain.map((one) => (one.includes('by bob') ? one.replace(/: .*/, ': settled') : one)),
  )
  const unused = refusing('ticket/unused', { when: 'ticket/own' })
  expect(cellsOf({ takes, checks: [...checks, unused] })).toEqual(
    plain.map((one) => one.replace('nobody tears it', 'ticket/unused')),
  )
  const { classes } = deriveMatrix(planOf({ takes, checks: [...checks, unused] }), [badge, ticket], { full: true })
  const failing = classes.map(({ representative: { name, fails } }) => [name, fails.includes('ticket/unused')])
  expect(failing.filter(([, is]) => is).map(([name]) => name)).toEqual(['a used opera, by ann'])
})

test('a way is no entry of accepts: what is lost on it is no mistake', () => {
  const ways = { 'by post': { call: {}, loses: ['certificate'] } }
  expect(() => cellsOf({ takes: [['badge', 'ticket']], checks, ways })).not.toThrow()
  expect(() => cellsOf({ takes: [['badge', 'ticket']], checks, ways }, [])).toThrow(/accepts holds no .*"opera"/)
})

test.each<[string, Partial<ActionVerification>, RegExp]>([
  [
    'a kind',
    { takes: [['badge', 'seal']] },
    /gate gate:pass\/row 1: its verification names "seal".* credential kind; name one of badge, ticket/,
  ],
  ['a check', { checks: [refusing('badge/thick')] }, /names "badge\/thick".* check; name one of badge\/shown/],
  ['a condition', { checks: [refusing('badge/whole', { when: 'badge/thick' })] }, /names "badge\/thick"/],
])('%s that no credential kind has is a mistake with its name', (_, more, expected) => {
  expect(() => cellsOf({ takes: [['badge', 'ticket']], checks, ...more })).toThrow(expected)
})

test.each<[string, object | undefined, string]>([
  ['without args', undefined, 'without args (Cannot'],
  ['with args that are null', { args: null }, 'with the args null (Cannot'],
])('a check %s is a mistake with its unit', (_, more, expected) => {
  const named = refusing('badge/named', more)
  expect(() => cellsOf({ takes: [['badge', 'ticket']], checks: [...checks, named] })).toThrow(
    `gate gate:pass/row 1: its unit "porter" cannot make the check "badge/named" ${expected}`,
  )
})

test('what fails in the action that goes first is tried there alone', () => {
  const plan = planOf({ takes: [['badge', 'ticket']], checks, after: 'gate:enter' })
  const enter = { takes: [['badge']], checks: checks.slice(0, 2) }
  Object.assign(plan.nodes.gate!.units[0]!.verification!, { 'gate:enter': enter })
  for (const credential of ['ann', 'bob']) plan.accepts.push({ target: 'gate', action: 'gate:enter', credential })

  const { classes, unisolated } = deriveMatrix(plan, [badge, ticket], { full: true })

  const failing = (wanted: string) =>
    new Set(classes.flatMap(({ representative: { action, fails } }) => (action === wanted ? fails.slice(0, 1) : [])))
  expect(failing('gate:enter')).toEqual(new Set(['badge/shown', 'badge/whole']))
  expect(failing('gate:pass/row 1')).toEqual(new Set(['ticket/shown', 'ticket/own']))
  expect(unisolated).toEqual([])
})
