import { expect, test } from 'vitest'
import type { DecisionRecord } from '../../evidence/decision.ts'
import type { LiveSite } from '../live-site.ts'
import type { TokenSummary } from './judged.ts'
import { watchIssuer } from './live.ts'

const issuer = 'https://auth-a.test'
const presented = { token: { jti: 'one' } as TokenSummary }

function siteWith(
  records: Partial<DecisionRecord>[],
  decisionLog: string | undefined = 'decisions.jsonl',
): Pick<LiveSite, 'plan' | 'node'> {
  const unit = { insider: { mints: { asked: 'token:introspect' } }, service: { decisionLog } }
  return {
    plan: {
      trustDomains: { a: { issuer: 'auth-a', issuerUrl: issuer } },
      nodes: { 'auth-a': { units: [unit] }, 'node-a': { units: [] } },
    },
    node: (name: string) => ({
      address: name === 'node-a' ? '127.0.0.2' : '127.0.0.1',
      host: `${name}.test`,
      decisions: async () => records,
    }),
  } as unknown as LiveSite
}

test('questions of the target about the token are counted, and those about a token that nobody knows', async () => {
  const asked = { action: 'token:introspect', conn: '127.0.0.2:4711', principal: {} }
  const records: Partial<DecisionRecord>[] = [asked]
  const watch = await watchIssuer(siteWith(records), 'node-a', issuer)
  expect(await watch?.(presented)).toEqual({ issuer: 'auth-a', times: 0 })
  records.push({ ...asked, principal: { jti: 'of a session' } }, { ...asked, action: 'token:request' })
  records.push({ ...asked, conn: '127.0.0.3:1', principal: { san: 'node-b.test' } })
  expect(await watch?.(presented)).toEqual({ issuer: 'auth-a', times: 0 })
  records.push(asked, { ...asked, principal: { jti: 'one' } })
  records.push({ ...asked, conn: '10.0.0.1:1', principal: { san: 'node-a.test', jti: 'one' } })
  expect(await watch?.(presented)).toEqual({ issuer: 'auth-a', times: 3 })
  expect(await watch?.({})).toEqual({ issuer: 'auth-a', times: 1 })
})

test('nobody is watched who issues nothing here, or writes nothing down', async () => {
  expect(await watchIssuer(siteWith([]), 'node-a', 'https://other.test')).toBeUndefined()
  expect(await watchIssuer(siteWith([]), 'auth-a', issuer)).toBeUndefined()
  expect(await watchIssuer(siteWith([]), 'node-a', undefined)).toBeUndefined()
  const site = siteWith([])
  Object.assign(site.plan.nodes['auth-a']!.units[0]!.service!, { decisionLog: undefined })
  expect(await watchIssuer(site, 'node-a', issuer)).toBeUndefined()
})
