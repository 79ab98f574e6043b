import { expect, test } from 'vitest'
import { issueSelfSigned } from '../pki/authority.ts'
import { callParts } from '../shipped.ts'
import type { ActionVerification } from '../topology/verification.ts'
import { judgedParts } from './judged-call.ts'

const { live } = await callParts()
const certificate = await issueSelfSigned('operator.test', ['operator.test'])

function operators(...sans: string[]): ActionVerification {
  const check = { check: 'certificate/named', args: { sans }, settles: true } as const
  return { takes: [], checks: [check] }
}

test('a certificate is judged whatever is spoken, and all else that travels with it', () => {
  const target = { verification: operators('somebody-else.test') }
  expect(judgedParts({ presented: { certificate }, target }, [], live)).toEqual(['certificate'])
  const both = { presented: { certificate, token: 'a.b.c' }, target }
  expect(judgedParts(both, [], live)).toEqual(['certificate'])
  expect(judgedParts(both, ['token'], live)).toEqual(['certificate', 'token'])
  expect(judgedParts({ presented: { token: 'a.b.c' }, target }, ['token'], live)).toEqual(['token'])
})

test('where a certificate is enough by itself, nobody looks at a token', () => {
  const target = { verification: operators('operator.test') }
  expect(judgedParts({ presented: { certificate, token: 'a.b.c' }, target }, ['token'], live)).toEqual(['certificate'])
})

test('what does not reach the target on the way is not judged there', () => {
  const both = { presented: { certificate, secret: 'x' }, target: { verification: undefined } }
  expect(judgedParts({ ...both, lost: ['secret'] }, ['secret'], live)).toEqual(['certificate'])
  expect(judgedParts({ ...both, lost: ['certificate'] }, ['secret'], live)).toEqual(['secret'])
  expect(judgedParts(both, ['secret'], live)).toEqual(['certificate', 'secret'])
})
