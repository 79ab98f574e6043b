import { expect, test } from 'vitest'
import { credentialKinds, kinds } from '../shipped.ts'
import { topologyJsonSchema, topologyReference } from './schema-docs.ts'

// `npx vitest run harness/topology -u` writes the pages anew.
const pages = '../../docs/reference'

test('docs/reference/topology.schema.json is generated from the schema', async () => {
  await expect(`${JSON.stringify(topologyJsonSchema(credentialKinds), null, 2)}\n`).toMatchFileSnapshot(
    `${pages}/topology.schema.json`,
  )
})

test('docs/reference/topology.md is generated from the schema and the service kinds', async () => {
  await expect(topologyReference(kinds, credentialKinds)).toMatchFileSnapshot(`${pages}/topology.md`)
})

test('the reference has the members of both kinds of credential, and the settings of every kind', () => {
  expect(topologyReference(kinds, credentialKinds)).toMatch(/`credentials\.<name>\.boundTo`.*\(bound-token\)/)
  expect(topologyReference(kinds, credentialKinds)).toMatch(/`credentials\.<name>\.sans`.*\(certificate\)/)
  expect(topologyReference(kinds, credentialKinds)).toMatch(
    /## Settings of `step-ca`[\s\S]*`maximumLifetime` \| text \| `24h`/,
  )
})
