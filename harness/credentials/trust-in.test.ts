import { expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { loadTopology } from '../topology/load.ts'
import { trustIn } from './bound-token/trust.ts'
import { operatorsIn } from './certificate/checks.ts'

async function verificationOf(node: string, action: string, set: Record<string, string> = {}) {
  const { nodes } = compile(await loadTopology('shared-auth', { set }))
  return nodes[node]!.units.flatMap(({ verification }) => verification?.[action] ?? [])[0]!
}

test('which tokens an action believes stands in its checks', async () => {
  const trust = trustIn(await verificationOf('node-a', 'node:read'))
  expect(trust).toEqual({
    issuer: 'https://auth.somebiz.local.io:8443',
    audiences: ['https://node-a.somebiz.local.io'],
    scope: 'node:read',
    node: 'node-a',
    skewSeconds: 30,
    learnsKeysWithinMs: 12_000,
    proves: 'token.signature',
    asks: 'token.active',
  })
  const asking = trustIn(await verificationOf('node-a', 'node:read', { validation: 'introspection' }))
  expect(asking).toMatchObject({ proves: 'token.active', asks: 'token.active' })
  const local = trustIn(await verificationOf('node-a', 'node:read', { validation: 'jwks' }))
  expect(local).toMatchObject({ proves: 'token.signature', asks: undefined })
})

test('an action that takes none believes none', async () => {
  const operators = await verificationOf('auth', 'operator:list')
  expect(trustIn(operators)).toMatchObject({ issuer: undefined, audiences: [], skewSeconds: 0, proves: undefined })
})

test('whose certificate is enough by itself', async () => {
  const operator = ['operator.somebiz.local.io']
  expect(operatorsIn(await verificationOf('auth', 'operator:list'))).toEqual(operator)
  expect(operatorsIn(await verificationOf('node-a', 'node:read'))).toEqual(operator)
  expect(operatorsIn(await verificationOf('node-a', 'peering:connect'))).toEqual([])
  expect(operatorsIn(undefined)).toEqual([])
  const named = { check: 'certificate/named', args: { sans: ['a.test'] } } as const
  const refusal = { guard: 'g', reason: 'r', layer: 'http', status: 403, error: null } as const
  expect(operatorsIn({ checks: [{ ...named, ...refusal }] })).toEqual([])
})
