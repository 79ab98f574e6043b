import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { packageFile } from './package-file.ts'
import { schemaPages, topologyReference } from './schema-docs.ts'

test.each(Object.entries(schemaPages()))('%s is generated from the schema (npm run reference)', async (path, text) => {
  expect(await readFile(await packageFile(path), 'utf8')).toBe(text)
})

test('the reference has the members of both kinds of credential', () => {
  expect(topologyReference()).toMatch(/`credentials\.<name>\.boundTo`.*\(bound-token\)/)
  expect(topologyReference()).toMatch(/`credentials\.<name>\.sans`.*\(certificate\)/)
})
