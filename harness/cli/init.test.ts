import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { issueLeaf, rogueAuthority } from '../pki/authority.ts'
import { compile } from '../shipped.ts'
import { loadTopology } from '../topology/load.ts'
import { writeProject } from './init.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-init-'))
})
afterEach(() => rm(folder, { recursive: true }))

const read = (file: string) => readFile(join(folder, file), 'utf8')

test('with a stack: a whole project, whose topology compiles', async () => {
  const { files, kept, next } = await writeProject(folder, { stack: 'express' })

  expect(files.map((file) => file.slice(folder.length + 1))).toEqual([
    'package.json',
    'README.md',
    '.gitignore',
    'lab.json',
    'scenarios/a-token-works-for-its-holder-only/README.md',
    'scenarios/a-token-works-for-its-holder-only/a-token-works-for-its-holder-only.scenario.ts',
    'gateway.mjs',
  ])
  expect({ kept, last: next.at(-1) }).toEqual({ kept: [], last: expect.stringContaining('npx holdfast test holder') })
  const { dependencies, devDependencies } = JSON.parse(await read('package.json'))
  expect({ ...dependencies, ...devDependencies }).toMatchObject({
    express: expect.stringMatching(/^\^5/),
    jose: expect.stringMatching(/^\^6/),
    holdfast: expect.stringMatching(/^\^/),
  })
  const plan = compile(await loadTopology('lab.json', { cwd: folder }))
  expect(plan.nodes.gateway!.units.find(({ kind }) => kind === 'exec')!.summary).toContain('node gateway.mjs')
})

test('for a gateway that is there: its command, its call, and what can be assumed', async () => {
  await writeFile(join(folder, 'package.json'), '{}')
  const { kept, next } = await writeProject(folder, {
    stack: 'none',
    run: './gateway -v',
    request: 'PUT /x',
    scope: 'x:put',
  })

  expect(kept).toEqual([join(folder, 'package.json')])
  expect(await read('package.json')).toBe('{}')
  expect(next).not.toContain('npm install')
  const lab = JSON.parse(await read('lab.json'))
  const { settings } = lab.nodes.gateway.units.gateway
  expect(settings).toEqual({ run: ['./gateway', '-v'], request: 'PUT /x', scope: 'x:put', observe: 'status' })
  expect(lab.credentials.courier.scope).toEqual(['x:put'])
  compile(await loadTopology('lab.json', { cwd: folder }))
  await expect(read('gateway.mjs')).rejects.toThrow('ENOENT')
})

test.each([
  [{ issuerRun: './idp --dev' }, { run: ['./idp', '--dev'] }],
  [
    { issuerUrl: 'https://idp.corp.test/realms/corp', issuerCa: 'corp.pem' },
    { url: 'https://idp.corp.test/realms/corp', ca: 'corp.pem', trust: './trust-issuer' },
  ],
  [{ issuerUrl: 'https://idp.test' }, { url: 'https://idp.test', ca: 'system', trust: './trust-issuer' }],
])('an issuer of one’s own mints the tokens: %o', async (issuer, settings) => {
  const ca = 'issuerCa' in issuer ? { issuerCa: join(folder, 'corp.pem') } : {}
  if ('issuerCa' in issuer) await writeFile(join(folder, 'corp.pem'), (await rogueAuthority()).anchorPem)
  const { next } = await writeProject(folder, { stack: 'express', ...issuer, ...ca })
  const { auth } = JSON.parse(await read('lab.json')).nodes

  expect(auth.units.auth).toEqual({ kind: 'issuer', settings })
  expect(next.join('\n').includes('trust-issuer/clients.json')).toBe('issuerUrl' in issuer)
  const { credentials } = compile(await loadTopology('lab.json', { cwd: folder }))
  const iss = 'url' in settings ? settings.url : 'https://auth.lab.test:8443'
  expect(credentials.shop).toMatchObject({ kind: 'bound-token', issuer: 'auth', iss })
})

test('without a command it says what is left to write', async () => {
  const { next } = await writeProject(folder, { stack: 'none' })
  expect(next.join('\n')).toContain('write into lab.json how your gateway is started')
})

test('nothing is overwritten, and then nothing is written', async () => {
  await writeFile(join(folder, 'lab.json'), 'mine')

  await expect(writeProject(folder, { stack: 'express' })).rejects.toMatchObject({ code: 'HOLDFAST_FILES_IN_THE_WAY' })
  expect(await read('lab.json')).toBe('mine')
  await expect(read('gateway.mjs')).rejects.toThrow('ENOENT')
})

/** A lab for what one has, as it compiles. */
async function labFor(options: Parameters<typeof writeProject>[1]) {
  await writeProject(folder, options)
  const lab = JSON.parse(await read('lab.json'))
  return { ...lab, plan: compile(await loadTopology('lab.json', { cwd: folder })) }
}

const settingsIn = (lab: Awaited<ReturnType<typeof labFor>>, node: string) => {
  const [unit] = Object.values(lab.nodes[node].units) as [{ kind: string; settings: object }]
  return unit
}

test('images stand in the places of programs', async () => {
  const image = 'registry.test/orders:1'
  const lab = await labFor({ stack: 'none', image, request: 'GET /orders', issuerImage: 'registry.test/idp:1' })
  expect(settingsIn(lab, 'gateway').settings).toEqual({ image, request: 'GET /orders', observe: 'status' })
  expect(settingsIn(lab, 'auth')).toEqual({ kind: 'issuer', settings: { image: 'registry.test/idp:1' } })
})

test('a service that is up, an issuer that is up, a proxy and a bundle stand in the places of what the lab has', async () => {
  const { authority, certPem, keyPem } = await issueLeaf({
    ...{ authority: await rogueAuthority(), subject: 'gateway.lab.test', sans: ['gateway.lab.test'] },
  })
  const files = { 'public.pem': authority.anchorPem, 'server.pem': certPem, 'server.key': keyPem }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 })
  const named = (name: string) => join(folder, name)
  const lab = await labFor({
    ...{ stack: 'none', url: 'https://127.0.0.1:9443', reload: 'systemctl reload orders', request: 'GET /orders' },
    ...{ issuerUrl: 'https://idp.example', issuerCa: named('public.pem'), client: ['shop=shop-app'] },
    ...{ serverCa: named('public.pem') },
  })
  expect(settingsIn(lab, 'gateway').settings).toEqual({
    ...{ url: 'https://127.0.0.1:9443', trust: './trust', reload: ['systemctl', 'reload', 'orders'] },
    ...{ request: 'GET /orders', serverCertificate: { ca: 'public.pem' }, observe: 'status' },
  })
  expect(settingsIn(lab, 'auth')).toEqual({
    kind: 'issuer',
    settings: {
      ...{ url: 'https://idp.example', ca: 'public.pem', trust: './trust-issuer' },
      clients: { shop: { id: 'shop-app' } },
    },
  })
  expect(Object.keys(lab.credentials)).not.toEqual(expect.arrayContaining(['operator']))

  await rm(join(folder, 'lab.json'))
  await rm(join(folder, 'scenarios'), { recursive: true })
  const proxied = await labFor({
    ...{ stack: 'none', run: './orders', behind: 'nginx', issuerRun: './idp', serverCa: named('public.pem') },
    ...{ serverCert: named('server.pem'), serverKey: named('server.key') },
  })
  expect(settingsIn(proxied, 'gateway').settings).toMatchObject({
    ...{ run: ['./orders'], behind: { kind: 'nginx' } },
    serverCertificate: { ca: 'public.pem', cert: 'server.pem', key: 'server.key' },
  })
  expect(settingsIn(proxied, 'auth').settings).toEqual({ run: ['./idp'] })
})

test('certificates that a CA signed before are named for all that have one', async () => {
  const root = await rogueAuthority('Corp Root')
  const named = (name: string) => join(folder, 'signed', name)
  await mkdir(named(''))
  await writeFile(named('root.pem'), root.anchorPem)
  for (const host of ['auth', 'gateway', 'shop', 'courier', 'operator']) {
    const name = host === 'operator' ? host : `cert-${host}`
    const { certPem, keyPem } = await issueLeaf({ authority: root, subject: host, sans: [`${host}.lab.test`] })
    await writeFile(named(`${name}.pem`), certPem)
    await writeFile(named(`${name}.key`), keyPem, { mode: 0o600 })
  }
  const options = { stack: 'none', run: './x', caRoot: named('root.pem'), certificates: named('') } as const
  const lab = await labFor(options)
  expect(settingsIn(lab, 'ca').settings).toEqual({
    root: { cert: 'signed/root.pem' },
    certificates: Object.fromEntries(
      ['cert-auth', 'operator', 'cert-gateway', 'cert-shop', 'cert-courier'].map((name) => {
        return [name, { cert: `signed/${name}.pem`, key: `signed/${name}.key` }]
      }),
    ),
  })
  await rm(named('cert-shop.key'))
  const missing = writeProject(join(folder, 'other'), options)
  await expect(missing).rejects.toMatchObject({ code: 'HOLDFAST_FILE_UNREADABLE' })
})

test('what holdfast check would refuse is said at once, and nothing is written', async () => {
  const missing = writeProject(folder, { stack: 'none', run: './x', caRoot: 'no.pem', caRootKey: 'no.key' })
  await expect(missing).rejects.toMatchObject({ code: 'HOLDFAST_FILE_UNREADABLE' })
  const without = writeProject(folder, { stack: 'none', run: './x', issuerUrl: 'http://idp.example' })
  await expect(without).rejects.toMatchObject({ code: 'HOLDFAST_TOPOLOGY_INVALID' })
  expect(await readdir(folder)).toEqual([])
})

const main = join(import.meta.dirname, 'main.ts')

/** Types the answers at a terminal, each when its question stands there; answers the exit code and all that was shown. */
async function onTerminal(dialogue: readonly (readonly [question: string, answer: string])[]) {
  const command = `'${process.execPath}' --conditions=holdfast-source '${main}' init .`
  const terminal = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder })
  const exit = new Promise<number | null>((resolve) => terminal.once('exit', resolve))
  let shown = ''
  let next = 0
  let from = 0
  terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk
    const found = dialogue[next] === undefined ? -1 : shown.indexOf(dialogue[next]![0], from)
    if (found < 0) return
    from = found + dialogue[next]![0].length
    terminal.stdin.write(dialogue[next]![1])
    next += 1
  })
  return { code: await exit, shown, asked: next }
}

// `script` of macOS takes other arguments.
test.skipIf(process.platform === 'darwin')('on a terminal it asks what one has', async () => {
  const said = await onTerminal([
    ['What is your gateway?', '1\r'],
    ['How is it started, in this folder? (node gateway.mjs) ', './orders -v\r'],
    ['Which call needs a token? (GET /orders) ', 'GET /orders\r'],
    ['Which scope does it need? (empty: none) ', '\r'],
    ['Who ends TLS?', '7\r'],
    ['Who ends TLS?', '3\r'],
    ['Which configuration file of yours? (empty: one that is right) ', '\r'],
    ['Whose certificate does it serve with?', '\r'],
    ['Who issues the tokens?', '2\r'],
    ['How is it started, in this folder? ', './idp\r'],
    ['(empty: those names) ', 'shop-app courier-app\r'],
    ['Which CA signs the certificates?', '1\r'],
  ])
  expect(said, said.shown).toMatchObject({ code: 0, asked: 12 })
  const { nodes } = JSON.parse(await read('lab.json'))
  expect(nodes.gateway.units.gateway.settings).toEqual({
    ...{ run: ['./orders', '-v'], request: 'GET /orders', behind: { kind: 'haproxy' }, observe: 'status' },
  })
  const clients = { shop: { id: 'shop-app' }, courier: { id: 'courier-app' } }
  expect(nodes.auth.units.auth.settings).toEqual({ run: ['./idp'], clients })
})

test.skipIf(process.platform === 'darwin').each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s at a question ends it, and nothing is written', async (_, key) => {
  const said = await onTerminal([['What is your gateway?', key]])
  expect(said, said.shown).toMatchObject({ code: 130, asked: 1 })
  expect(await readdir(folder)).toEqual([])
})
