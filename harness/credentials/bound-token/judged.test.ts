import { expect, test } from 'vitest'
import type { ActionVerification } from '../../topology/verification.ts'
import type { JudgedCall, MadeRecord } from '../live-kind.ts'
import { refusalProblems } from './judged.ts'

const claims = { iss: 'https://issuer', sub: 'node-b', client_id: 'node-b', jti: 'jti-1' }
const guards = ['tls', 'carrier', 'form', 'signature', 'binding', 'active', 'admit']
const token = { readable: true, header: {}, claims, thumbprint: 'x', jti: 'jti-1' }

function orderOf(guardOf: Readonly<Record<string, string>>) {
  const checks = Object.entries(guardOf).map(([check, guard]) => ({ check, guard, reason: 'r', layer: 'http' }))
  return { takes: [], checks, guards } as unknown as ActionVerification
}

const inBoth = orderOf({ 'bound-token/signature': 'signature', 'bound-token/active': 'active' })
const askingFirst = orderOf({ 'bound-token/active': 'form' })
const locally = orderOf({ 'bound-token/signature': 'signature' })

function callOf(rest: Partial<JudgedCall> = {}): JudgedCall {
  return {
    to: 'node-a',
    action: 'a',
    judged: ['token'],
    credential: { token },
    verification: inBoth,
    ...rest,
  } as JudgedCall
}

function recordOf(guard: string, principal: Record<string, string> = {}, action = 'a'): MadeRecord {
  return { guard, action, conn: '', layer: 'http', principal: { 'x5t#S256': 'x', ...principal } }
}

const problemsOf = (guard: string, principal?: Record<string, string>, rest?: Partial<JudgedCall>) =>
  refusalProblems(callOf(rest), recordOf(guard, principal))

test.each(['carrier', 'form', 'signature'])('before the token is proven, %s names none of it', (guard) => {
  expect(problemsOf(guard)).toEqual([])
  for (const [name, value] of Object.entries(claims)) {
    const text = `the record holds ${name} ${value} as proven, and ${guard} judges before that is`
    expect(problemsOf(guard, { [name]: value })).toEqual([text])
  }
})

test.each(['binding', 'active', 'admit'])('once it is proven, %s names whose it is, and which', (guard) => {
  expect(problemsOf(guard, claims)).toEqual([])
  expect(problemsOf(guard, { sub: claims.sub, jti: claims.jti })).toEqual([])
  expect(problemsOf(guard)).toEqual([
    'the record proves no sub, presented was node-b',
    'the record proves no jti, presented was jti-1',
  ])
  expect(problemsOf(guard, { ...claims, jti: 'jti-2' })).toEqual([
    'the record holds jti jti-2 as proven, presented was jti-1',
  ])
})

test('a record is of the action by whichever name that has in records', () => {
  const verification = { ...inBoth, recordedAs: ['a:login', 'a:publish'] }
  const told = (action: string) => refusalProblems(callOf({ verification }), recordOf('binding', {}, action))
  expect(['a:login', 'a:publish'].map((action) => told(action).length)).toEqual([2, 2])
  expect(['a', 'other'].flatMap(told)).toEqual([])
})

test('where the issuer proves the token, it is named from there on', () => {
  expect(problemsOf('signature', claims, { verification: askingFirst })).toEqual([])
  expect(problemsOf('form', claims, { verification: askingFirst })).toHaveLength(4)
})

test('a claim that the token has not, or that is no text, is not demanded and must not be told', () => {
  const { jti: _, ...rest } = claims
  const credential = { token: { ...token, claims: { ...rest, sub: 7 } } }
  expect(problemsOf('binding', {}, { credential })).toEqual([])
  expect(problemsOf('binding', { jti: 'jti-1' }, { credential })).toEqual([
    'the record holds jti jti-1 as proven, and the token has none',
  ])
})

test('what is long may be cut', () => {
  const long = 'x'.repeat(300)
  const credential = { token: { ...token, claims: { ...claims, sub: long } } }
  expect(problemsOf('binding', { ...claims, sub: long.slice(0, 255) }, { credential })).toEqual([])
  expect(problemsOf('binding', { ...claims, sub: 'x' }, { credential })).toHaveLength(1)
})

test('a guard that nobody declared is told; of other actions, and of targets that declare none, nothing is known', () => {
  expect(problemsOf('extra')).toEqual(['extra is no guard that node-a declares for a'])
  expect(refusalProblems(callOf(), recordOf('extra', claims, 'other'))).toEqual([])
  expect(problemsOf('form', claims, { verification: undefined })).toEqual([])
  expect(problemsOf('form', claims, { verification: { takes: [], checks: inBoth.checks } })).toEqual([])
})

test('an operator is known by the certificate, whatever token is sent along', () => {
  expect(problemsOf('admit', {}, { judged: ['certificate'] })).toEqual([])
})

test('the issuer hears of no token that is refused without it', () => {
  const asking = (guard: string, rest: Partial<JudgedCall>) => {
    return refusalProblems(callOf(rest), recordOf(guard, claims)).filter((problem) => problem.includes(' asked '))
  }
  const twice = { asked: { issuer: 'auth-a', times: 2 } }
  const text = 'node-a asked auth-a about the token 2 times, though binding refuses it without'
  expect(asking('binding', twice)).toEqual([text])
  expect(asking('binding', { asked: { issuer: 'auth-a', times: 0 } })).toEqual([])
  expect(asking('active', twice)).toEqual([])
  expect(asking('admit', twice)).toEqual([])
  // Who asks first may have asked; who asks nobody may not.
  expect(asking('binding', { ...twice, verification: askingFirst })).toEqual([])
  expect(asking('admit', { ...twice, verification: locally })).toHaveLength(1)
  expect(asking('binding', {})).toEqual([])
})
