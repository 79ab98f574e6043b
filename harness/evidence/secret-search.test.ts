import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import { guessedBy, redact } from '../credentials/secrets.ts'
import { issueSelfSigned } from '../pki/authority.ts'
import { signToken } from '../tokens/forge.ts'
import { secretsInFolder } from './secret-search.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-secrets-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function aToken(): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return signToken({
    key: await exportJWK(privateKey),
    header: { typ: 'at+jwt' },
    claims: { jti: crypto.randomUUID() },
  })
}

function secretsOf(...tokens: readonly string[]): KnownSecrets {
  const secrets = new KnownSecrets()
  for (const token of tokens) secrets.add(guessedBy(token))
  return secrets
}

async function found(text: string, secrets: KnownSecrets): Promise<readonly string[]> {
  await mkdir(join(folder, 'logs', 'node-a'), { recursive: true })
  await writeFile(join(folder, 'run.json'), '{}')
  await writeFile(join(folder, 'logs', 'node-a', 'main.log'), text)
  const searched = await secretsInFolder(folder, secrets)
  expect(searched.files).toHaveLength(2)
  return searched.found.map((line) => line.slice(folder.length))
}

test('a token is found by its claims and by its signature, wherever it was cut', async () => {
  const token = await aToken()
  const [header, claims = '', signature = ''] = token.split('.')
  const secrets = secretsOf(await aToken(), token)
  const named = (part: string) => [`/logs/node-a/main.log holds a secret that begins with ${part.slice(0, 8)}…`]
  expect(await found(`got "${header}.${claims.slice(0, 30)}"`, secrets)).toEqual(named(claims))
  expect(await found(JSON.stringify({ line: `it was\n${signature}` }), secrets)).toEqual(named(signature))
  expect(await found(`${header} and ${redact(token)}, ${claims.slice(0, 15)}`, secrets)).toEqual([])
})

test('what stands on the edge of two pieces is found', async () => {
  const token = await aToken()
  for (const before of [10, 24, 200]) {
    const text = `${' '.repeat(1_048_576 - before)}${token.split('.')[2]}\n`
    expect(await found(text, secretsOf(token))).toHaveLength(1)
  }
})

test('private keys are found, and certificates are none', async () => {
  const { certPem, keyPem } = await issueSelfSigned('a.test', ['a.test'])
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  expect(await found(certPem + redact(keyPem), new KnownSecrets())).toEqual([])
  expect(await found(keyPem, new KnownSecrets())).toEqual(['/logs/node-a/main.log holds a private key'])
  expect(await found(JSON.stringify(jwk), new KnownSecrets())).toEqual(['/logs/node-a/main.log holds a private key'])
  const secrets = new KnownSecrets()
  secrets.add([jwk.d ?? ''])
  expect(await found(`signs with ${jwk.d}`, secrets)).toHaveLength(1)
})

test('what attacks are filled with is no secret', async () => {
  const filling = `e30.${'A'.repeat(7_000)}.AAAA`
  expect(await found(filling, secretsOf(filling))).toEqual([])
  expect(secretsOf(filling).size).toBe(0)
})
