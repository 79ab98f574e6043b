// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as x509 from '@peculiar/x509'
import { calculateJwkThumbprint, flattenedDecrypt, type JWK } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testFolder } from '../shared/testing/certificates.ts'
import { toolPaths } from '../shared/testing/tools.ts'
import { type Configuration, program } from './config.ts'
import { init, type Made } from './init.ts'
import { layoutOf } from './layout.ts'
import { keepRootCrl } from './root-crl.ts'

// Keys and certificates of the real step, made once; tests work on copies of them.

const folder = testFolder()
const password = 'only-for-these-tests'
const passwordFile = join(folder, 'password')
let base: Configuration
let made: Made
let copies = 0

beforeAll(async () => {
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  const { step } = toolPaths('step')
  const dir = join(folder, 'ca')
  base = program.schema.parse({ step, dir, name: 'lab', passwordFile, provisioners: ['mosaic-fed', 'gateway-server'] })
  made = await init(base)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function newName(of: string): string {
  copies += 1
  return `${of}-${copies}`
}

function copy(changes: Partial<Configuration> = {}): Configuration {
  const dir = join(folder, newName('copy'))
  cpSync(base.dir, dir, { recursive: true })
  for (const folder of [dir, layoutOf(dir).authority, layoutOf(dir).provisioners]) chmodSync(folder, 0o700)
  return { ...base, dir, ...changes }
}

const textAt = (path: string) => readFileSync(path, 'utf8')
const rootOf = ({ dir }: Configuration) => new x509.X509Certificate(textAt(layoutOf(dir).root.cert))
const crlOf = ({ dir }: Configuration) => new x509.X509Crl(x509.PemConverter.decodeFirst(textAt(layoutOf(dir).rootCrl)))

function everythingIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).map(({ parentPath, name }) =>
    join(parentPath, name),
  )
}

test('all of it is made, and tells the root by its SHA-256', async () => {
  expect(made.made).toEqual(['authority', 'provisioner mosaic-fed', 'provisioner gateway-server', 'root CRL'])
  const thumbprint = Buffer.from(await rootOf(base).getThumbprint('SHA-256')).toString('hex')
  expect(made.rootSha256).toBe(thumbprint)
  expect(textAt(layoutOf(base.dir).fingerprint)).toBe(`${thumbprint}\n`)
  const issuing = new x509.X509Certificate(textAt(layoutOf(base.dir).issuing.cert))
  expect([rootOf(base).subject, issuing.subject]).toEqual(['CN=lab root', 'CN=lab issuing CA'])
  expect(await issuing.verify({ publicKey: rootOf(base) })).toBe(true)
})

test('nobody else can read any of it, and every key is encrypted', () => {
  for (const path of everythingIn(base.dir)) {
    const stats = statSync(path)
    expect([path, (stats.mode & 0o777).toString(8)]).toEqual([path, stats.isDirectory() ? '700' : '600'])
    if (stats.isFile()) expect(textAt(path)).not.toMatch(/"d"\s*:/)
  }
  for (const { key } of [layoutOf(base.dir).root, layoutOf(base.dir).issuing])
    expect(textAt(key)).toContain('ENCRYPTED')
})

test('a provisioner has a key of its own, which the password opens, under its thumbprint', async () => {
  const opened = await Promise.all(
    base.provisioners.map(async (name) => {
      const at = join(layoutOf(base.dir).provisioners, name)
      const jwe = JSON.parse(textAt(join(at, 'private.json')))
      const options = { maxPBES2Count: 1_000_000, keyManagementAlgorithms: ['PBES2-HS256+A128KW'] }
      const { plaintext } = await flattenedDecrypt(jwe, new TextEncoder().encode(password), options)
      const jwk = JSON.parse(new TextDecoder().decode(plaintext)) as JWK
      const known = JSON.parse(textAt(join(at, 'public.json'))) as JWK
      expect(known).not.toHaveProperty('d')
      expect([jwk.x, jwk.kid, jwk.alg]).toEqual([known.x, await calculateJwkThumbprint(known), 'ES256'])
      return jwk.kid
    }),
  )
  expect(new Set(opened).size).toBe(2)
})

test('the CRL of the root is signed by it, lists nobody, and has the label that OpenSSL knows', async () => {
  const crl = crlOf(base)
  expect(await crl.verify({ publicKey: rootOf(base) })).toBe(true)
  expect([crl.issuer, crl.entries]).toEqual(['CN=lab root', []])
  expect(textAt(layoutOf(base.dir).rootCrl)).toMatch(/^-----BEGIN X509 CRL-----\n[\s\S]*-----END X509 CRL-----\n$/)
})

test('run again, it makes nothing and changes no byte', async () => {
  const again = copy()
  const before = everythingIn(again.dir).map((path) => [path, statSync(path).isFile() ? textAt(path) : ''])

  expect(await init(again)).toEqual({ made: [], rootSha256: made.rootSha256 })
  expect(everythingIn(again.dir).map((path) => [path, statSync(path).isFile() ? textAt(path) : ''])).toEqual(before)
})

test('a provisioner that comes later gets a key; the others, and the root, stay', async () => {
  const more = copy({ provisioners: [...base.provisioners, 'third'] })

  expect(await init(more)).toEqual({ made: ['provisioner third'], rootSha256: made.rootSha256 })
})

test('what a run left that was killed half-way is made anew, and nothing of it stays', async () => {
  const killed = copy()
  // No process has such a number.
  const left = join(killed.dir, '.making-4194305-abc123')
  const atWork = join(killed.dir, `.making-${process.pid}-abc123`)
  mkdirSync(atWork)
  mkdirSync(left)
  writeFileSync(join(left, 'root.key'), 'half of a key')
  rmSync(join(layoutOf(killed.dir).provisioners, 'mosaic-fed'), { recursive: true })

  expect(await init(killed)).toEqual({ made: ['provisioner mosaic-fed'], rootSha256: made.rootSha256 })
  expect([left, atWork].map((path) => existsSync(path))).toEqual([false, true])
})

test('two at once end with one root', async () => {
  const both = copy()
  rmSync(both.dir, { recursive: true })
  const [one, other] = await Promise.all([init(both), init(both)])

  expect(one.rootSha256).toBe(other.rootSha256)
})

test('a CRL of the root that is half over is made anew, with a higher number; a younger one stays', async () => {
  const own = copy()
  const files = layoutOf(own.dir)
  const day = 86_400_000
  const numberOf = () => crlOf(own).extensions.find(({ type }) => type === '2.5.29.20')!.value
  const first = Buffer.from(numberOf()).toString('hex')
  const at = (days: number) => ({ files, password, days: 365, now: new Date(Date.now() + days * day) })

  expect(await keepRootCrl(at(182))).toBe(false)
  expect(await keepRootCrl(at(183))).toBe(true)
  expect(Buffer.from(numberOf()).toString('hex') > first).toBe(true)
  expect(await keepRootCrl(at(183))).toBe(false)
})

test.each<[string, (files: ReturnType<typeof layoutOf>) => void, RegExp]>([
  ['the key of the root is gone', ({ root }) => rmSync(root.key), /root\.key cannot be read \(ENOENT\); put it back/],
  [
    'a key is another one',
    ({ root, issuing }) => cpSync(issuing.key, root.key),
    /root\.key is not the key of its cert/,
  ],
  [
    'a key is cut off',
    ({ issuing }) => writeFileSync(issuing.key, '-----BEGIN'),
    /ca\.key is no key that the password opens/,
  ],
  ['a certificate is none', ({ issuing }) => writeFileSync(issuing.cert, 'x'), /ca\.crt is no certificate in PEM/],
  ['the CRL is none', ({ rootCrl }) => writeFileSync(rootCrl, 'x'), /root\.crl is no CRL in PEM/],
  [
    'the fingerprint is another one',
    ({ fingerprint }) => writeFileSync(fingerprint, 'ab\n'),
    /root\.crt is another root than/,
  ],
])('where %s, nothing is made anew, and it says what is wrong', async (_, spoil, message) => {
  const spoiled = copy()
  spoil(layoutOf(spoiled.dir))
  const before = textAt(layoutOf(spoiled.dir).root.cert)

  await expect(init(spoiled)).rejects.toMatchObject({
    code: 'authority_invalid',
    message: expect.stringMatching(message),
  })
  expect(textAt(layoutOf(spoiled.dir).root.cert)).toBe(before)
})

test('another password opens nothing, and stands in no message', async () => {
  const other = join(folder, 'other')
  writeFileSync(other, 'another-password-of-16', { mode: 0o600 })
  const failure = await init(copy({ passwordFile: other })).catch((cause: Error) => cause)

  expect(failure).toMatchObject({ code: 'authority_invalid' })
  expect((failure as Error).message).toContain('root.key is no key that the password opens')
  expect((failure as Error).message).not.toContain('another-password')
})

test.each([
  ['15 characters', 'x'.repeat(15), 0o600, /holds 15 characters; write 16 or more/],
  ['15 characters and blanks', `${'x'.repeat(15)} \n`, 0o600, /holds 15 characters/],
  ['a file that others can read', 'x'.repeat(16), 0o640, /can be read by others/],
])('a password of %s is refused before anything is made', async (_, text, mode, message) => {
  const weak = join(folder, newName('weak'))
  writeFileSync(weak, text)
  chmodSync(weak, mode)
  const dir = join(folder, newName('never'))

  await expect(init({ ...base, dir, passwordFile: weak })).rejects.toMatchObject({
    ...{ code: 'password_weak', message: expect.stringMatching(message) },
  })
  expect(existsSync(dir)).toBe(false)
})

test('a password of 16 characters will do', async () => {
  const least = join(folder, 'least')
  writeFileSync(least, 'x'.repeat(16), { mode: 0o600 })

  await expect(init({ ...base, dir: join(folder, 'least-ca'), passwordFile: least })).resolves.toHaveProperty(
    'made.length',
    4,
  )
})

test('a folder that others can read is refused', async () => {
  const open = copy()
  chmodSync(open.dir, 0o750)

  await expect(init(open)).rejects.toMatchObject({ code: 'folder_open' })
})

test('a step that is not there is told by the key that names it', async () => {
  const without = { ...base, dir: join(folder, 'without'), step: '/nowhere/step' }

  await expect(init(without)).rejects.toMatchObject({
    code: 'step_failed',
    message: 'step certificate create lab root could not be started (ENOENT); name the program in the key step',
  })
  expect(readdirSync(without.dir)).toEqual(['provisioners'])
})

test('as a program it says in one line what it made, and in one line what is wrong', async () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const run = (configuration: Configuration) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const file = join(folder, newName('config'))
      writeFileSync(file, JSON.stringify(configuration))
      execFile(process.execPath, [main, 'init', '--config', file], (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      )
    })
  const told = `${JSON.stringify({ made: [], rootSha256: made.rootSha256 })}\n`

  expect(await run(copy())).toEqual({ code: 0, stdout: told, stderr: '' })
  const spoiled = copy()
  rmSync(layoutOf(spoiled.dir).root.key)
  const { code, stdout, stderr } = await run(spoiled)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^ca-setup: authority_invalid: \S+root\.key cannot be read \(ENOENT\); put it back[^\n]*\n$/)
  expect(await run({ ...base, provisioners: [] })).toMatchObject({
    code: 78,
    stderr: expect.stringMatching(/^ca-setup: config_invalid: .*provisioners: must name at least one/),
  })
})
