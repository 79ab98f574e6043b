import { randomUUID } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import type { HttpCall } from '../../topology/plan.ts'
import type { LiveSite } from '../live-site.ts'
import { redact } from '../secrets.ts'
import type { Invitation } from './live.ts'
import { liveEnrolmentToken as live } from './live.ts'
import type { PlanEnrolmentToken } from './planned.ts'

const planned: PlanEnrolmentToken = {
  ...{ name: 'invitation', kind: 'enrolment-token', issuer: 'gateway-b', holders: ['gateway-a'], handover: 'mint' },
  ...{ subject: 'alice', user: { id: randomUUID(), tenant: randomUUID(), teams: {} }, files: {} },
  ...{ scope: 'scope-a', document: { resources: ['tasks'] } },
  lender: {
    ...{ url: 'https://b.test:8443', anchor: '@{dir}/ca.pem', lends: 'https://b.test:8444', signer: 'ca' },
    ...{ oids: { grant: '1.2.3', subject: '1.2.4' }, operatorToken: '@{dir}/token', overlapSeconds: 60 },
  },
}

/** What was asked, in order, and what it was asked with. */
let asked: { route: string; json: Record<string, unknown> }[]
let redeemable: number

const answers: Record<string, () => object> = {
  'GET /readyz': () => ({}),
  'POST /api/admin/federation/peers': () => ({ id: randomUUID() }),
  'POST /api/admin/federation/grants': () => ({ id: randomUUID() }),
  'POST /api/admin/federation/grants/:id/tokens': () => ({ token: randomUUID().replaceAll('-', '').repeat(2) }),
  'PATCH /api/admin/federation/grants/:id/revoke': () => ({}),
  'POST /api/federation/enrollment/:id': () => ({}),
}

const site = {
  node: () => ({ host: 'a.test' }),
  bound: (ms: number) => ms,
  learn: () => {},
  async callFrom(_: string, { method, url, json = {} }: HttpCall) {
    const path = new URL(url).pathname.replaceAll(/[0-9a-f]{64}|[0-9a-f-]{36}/g, ':id')
    const route = `${method} ${path}`
    asked.push({ route, json: json as Record<string, unknown> })
    const isRedeemed = path.startsWith('/api/federation')
    if (isRedeemed && redeemable-- <= 0) return { status: 410, json: {} }
    return { status: isRedeemed || method !== 'POST' ? 200 : 201, json: answers[route]!() }
  },
} as unknown as LiveSite

let invitation: Invitation

beforeEach(async () => {
  asked = []
  redeemable = 1
  invitation = (await live.fresh(planned, site, 'gateway-a')).invitation!
  asked.length = 0
})

const spoiled = async (state: string) => (await live.spoil[state]!({ invitation }, planned, site)).invitation!
const routes = () => asked.map(({ route }) => route)

test.each([
  ['unknown', /^[0-9a-f]{64}$/],
  ['in upper case', /^[0-9A-F]{64}$/],
  ['cut short', /^[0-9a-f]{63}$/],
])('%s its token is another one, and its request the same', async (state, form) => {
  const other = await spoiled(state)
  expect(other.token).toMatch(form)
  expect(other.token).not.toBe(invitation.token)
  expect(other.csrPem).toBe(invitation.csrPem)
  expect(asked).toEqual([])
})

test.each([
  ['with a garbled request'],
  ['with a weak key'],
  ['with a weak digest'],
  ['with a request of another key'],
  ['for another name'],
])('%s it has the same token, and another request', async (state) => {
  const other = await spoiled(state)
  expect(other.token).toBe(invitation.token)
  expect(other.csrPem).not.toBe(invitation.csrPem)
  expect(asked).toEqual([])
})

test('a used one was redeemed, for another request than it comes with then', async () => {
  const used = await spoiled('used')
  expect(asked).toEqual([{ route: 'POST /api/federation/enrollment/:id', json: { csrPem: invitation.csrPem } }])
  expect(used.token).toBe(invitation.token)
  expect(used.csrPem).not.toBe(invitation.csrPem)
})

test('an expired one was made for a second, and waited for by what uses none up', async () => {
  redeemable = 3
  await spoiled('expired')
  expect(asked.find(({ route }) => route.endsWith('/tokens'))?.json).toEqual({ ttlSeconds: 1 })
  const tried = asked.filter(({ route }) => route.includes('/enrollment/'))
  expect(tried.map(({ json }) => json.csrPem)).toEqual(['none', 'none', 'none', 'none'])
})

test('the grant of one that was taken up was so by another token, and that of a revoked one is', async () => {
  expect(await spoiled('of an active grant')).toBe(invitation)
  expect(routes()).toEqual(['POST /api/admin/federation/grants/:id/tokens', 'POST /api/federation/enrollment/:id'])
  asked.length = 0
  await spoiled('of a revoked grant')
  expect(routes()).toEqual(['PATCH /api/admin/federation/grants/:id/revoke'])
})

test('a key of before was certified for another grant of the same peer', async () => {
  expect(await spoiled('with a key of before')).toBe(invitation)
  expect(asked.at(-1)).toEqual({
    route: 'POST /api/federation/enrollment/:id',
    json: { csrPem: invitation.csrPem },
  })
})

test('a control that is refused is told as what was not given', async () => {
  redeemable = 0
  await expect(spoiled('used')).rejects.toMatchObject({ code: 'HOLDFAST_NOT_ISSUED' })
  await expect(live.held(planned, site, 'gateway-a')).rejects.toMatchObject({ code: 'HOLDFAST_INVITATION_GONE' })
})

test('of a token no more is shown than what its maker knows it by, and in a URL nothing else stays of it', async () => {
  const summary = live.summary({ invitation })!
  const text = JSON.stringify([summary, ...live.explanation(summary)])
  expect(text).toContain(invitation.token.slice(0, 8))
  expect(text).not.toContain(invitation.token.slice(0, 16))
  const url = `https://b.test:8443/api/federation/enrollment/${invitation.token}#ca=sha256:00`
  expect(redact(url)).toBe(url.replace(invitation.token, `${invitation.token.slice(0, 8)}…`))
  expect(live.proves(summary).grantId).toBe(summary.grantId)
  expect(live.summary({})).toBeUndefined()
})
