import { expect, test } from 'vitest'
import { Credential, CredentialLacks } from './credential.ts'

const identity = (name: string) => ({ certPem: name, keyPem: `key of ${name}` })
const own = { certificate: identity('own'), token: 'own token' }
const right = new Credential('right', async () => own)
const bare = new Credential('bare', async () => ({}))

test.each<[string, Credential, object]>([
  ['right with another token', right.with('token', 'other'), { ...own, token: 'other' }],
  ['right spoiled', right.with('token', (text) => `${text}!`, 'spoiled'), { ...own, token: 'own token!' }],
  ['right without token', right.without('token'), { certificate: own.certificate }],
  ['right without certificate', right.withoutCertificate(), { token: own.token }],
  ['bare over right', bare.over(right), { certificate: own.certificate }],
  ['bare with the token of right', bare.withTokenOf(right), { token: own.token }],
])('%s', async (label, credential, presented) => {
  expect(credential.label).toBe(label)
  expect(await credential.presented()).toEqual(presented)
})

test('what is made from the own part needs it', async () => {
  await expect(bare.with('token', (text) => text).presented()).rejects.toThrow(CredentialLacks)
  await expect(bare.identity()).rejects.toThrow('credential "bare" has no certificate')
})
