import { expect, test } from 'vitest'
import { currentSchema, manifestSchema } from './manifest.ts'

const file = {
  name: 'orchestrator_auth.creds',
  sha256: 'a'.repeat(64),
  size: 1432,
  user: {
    name: 'orchestrator_user',
    key: `U${'A'.repeat(55)}`,
    account: `A${'B'.repeat(55)}`,
    signer: `A${'D'.repeat(55)}`,
    role: 'orchestrator_role',
  },
  expiresAt: '2027-01-31T12:00:00.000Z',
}
const manifest = {
  version: 2,
  generation: 3,
  operator: `O${'C'.repeat(55)}`,
  issuedAt: '2027-01-30T12:00:00.000Z',
  files: [file],
}

test('a manifest is read as it was written', () => {
  expect(manifestSchema.parse(manifest)).toEqual(manifest)
  const current = { ...manifest, installedAt: '2027-01-30T12:00:01.000Z' }
  expect(currentSchema.parse(current)).toEqual(current)
})

test.each([
  ['the version that did not name who signed', { ...manifest, version: 1 }],
  ['no generation', { ...manifest, generation: 0 }],
  ['a key of another sort', { ...manifest, operator: `A${'C'.repeat(55)}` }],
  ['a member that nobody knows', { ...manifest, note: '' }],
  ['no file', { ...manifest, files: [] }],
  ['one name twice', { ...manifest, files: [file, file] }],
  ['a file in another folder', { ...manifest, files: [{ ...file, name: '../orchestrator_auth.creds' }] }],
  ['a file that a listing leaves out', { ...manifest, files: [{ ...file, name: '.creds' }] }],
  ['a digest that was cut short', { ...manifest, files: [{ ...file, sha256: 'a'.repeat(63) }] }],
  ['an empty file', { ...manifest, files: [{ ...file, size: 0 }] }],
  ['a file that is too large', { ...manifest, files: [{ ...file, size: 65_537 }] }],
  ['a user that nobody knows', { ...manifest, files: [{ ...file, user: { ...file.user, name: 'root' } }] }],
  ['a role that nobody knows', { ...manifest, files: [{ ...file, user: { ...file.user, role: 'root_role' } }] }],
  ['a time without its date', { ...manifest, issuedAt: '12:00:00Z' }],
])('a manifest with %s is refused', (_, wrong) => {
  expect(manifestSchema.safeParse(wrong).success).toBe(false)
})
