import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { copyFile, glob, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, test, vi } from 'vitest'
import { demandGiven } from '../harness/backends/given-files.ts'
import { issueLeaf, rogueAuthority, subordinate } from '../harness/pki/authority.ts'
import { chainOf } from '../harness/pki/certificate.ts'
import { backend, callParts, compile } from '../harness/shipped.ts'
import { ensureTools } from '../harness/toolchain/install.ts'
import { LoadedTopology } from '../harness/topology/loaded-topology.ts'
import { scenarioOn } from '../harness/vitest/scenario.ts'
import { expect } from '../harness/vitest.ts'
import { freePort } from './free-port.ts'

// A CA of the user's: by its files, and up at a URL. It is one as `step ca init` makes it, with its keys encrypted.

const repository = join(import.meta.dirname, '..')
const gateway = join(repository, 'docs', 'guides', 'examples', 'gateway')
const packages = ['express', 'jose', 'vitest']
const password = 'correct horse battery staple'
const run = promisify(execFile)

let work: string
let steppath: string
let port: number
let ca: ChildProcess

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'holdfast-own-ca-'))
  steppath = join(work, 'step')
  port = await freePort()
  const [step, stepCa] = await ensureTools(['step', 'step-ca'])
  const env = { ...process.env, STEPPATH: steppath }
  const secret = ['--password-file', join(work, 'password')]
  await writeFile(join(work, 'password'), `${password}\n`, { mode: 0o600 })
  await writeFile(join(work, 'wrong'), 'another one\n', { mode: 0o600 })
  const named = ['--name', 'Corp', '--dns', '127.0.0.1', '--address', `127.0.0.1:${port}`, '--provisioner', 'ops']
  await run(step!.path, ['ca', 'init', '--deployment-type', 'standalone', ...named, ...secret], { env })
  const rsa = ['--kty', 'RSA', '--no-password', '--insecure', '--profile', 'root-ca']
  await run(step!.path, ['certificate', 'create', 'RSA Root', join(work, 'rsa.pem'), join(work, 'rsa.key'), ...rsa])
  await publicIdentity()
  await givenIdentities()
  // What a machine trusts: as its administrator would add a root.
  vi.stubEnv('SSL_CERT_FILE', publicFile('ca'))
  ca = spawn(stepCa!.path, [join(steppath, 'config', 'ca.json'), ...secret], { env, stdio: 'ignore' })
})
afterAll(async () => {
  vi.unstubAllEnvs()
  const ended = new Promise((resolve) => ca.once('exit', resolve))
  if (ca.exitCode === null && ca.kill()) await ended
  await rm(work, { recursive: true, force: true })
})

const at = (...path: string[]) => join(steppath, ...path)
const root = () => ({ cert: at('certs', 'root_ca.crt') })

/** The CA of the lab in three ways; `CN` of who then signs. */
const ways = {
  'a root with its key, RSA': {
    settings: () => ({ root: { cert: join(work, 'rsa.pem'), key: join(work, 'rsa.key') } }),
    signer: 'CN=lab issuing CA',
  },
  'an intermediate whose key is encrypted': {
    settings: () => ({
      root: root(),
      intermediate: {
        ...{ cert: at('certs', 'intermediate_ca.crt'), key: at('secrets', 'intermediate_ca_key') },
        password: join(work, 'password'),
      },
    }),
    signer: 'O=Corp\nCN=Corp Intermediate CA',
  },
  'a root alone, with the certificates that it signed': {
    settings: () => ({ root: { cert: given('root.pem') }, certificates: givenCertificates() }),
    signer: 'CN=Given CA',
  },
  'a step-ca that is up at a URL': {
    settings: () => byUrl({ password: join(work, 'password') }),
    signer: 'O=Corp\nCN=Corp Intermediate CA',
  },
}

const given = (name: string) => join(work, `given-${name}`)
const holders = ['auth', 'operator', 'gateway', 'shop', 'courier']
const givenCertificates = () =>
  Object.fromEntries(
    holders.map((one) => {
      return [one === 'operator' ? one : `cert-${one}`, { cert: given(`${one}.pem`), key: given(`${one}.key`) }]
    }),
  )

/** What a CA that keeps its key has signed. */
async function givenIdentities() {
  const authority = await rogueAuthority('Given Root')
  const signing = await subordinate(authority, 'Given CA')
  await writeFile(given('root.pem'), authority.anchorPem)
  for (const one of holders) {
    const host = `${one}.lab.test`
    const { certPem, keyPem } = await issueLeaf({ authority: signing, subject: host, sans: [host] })
    await writeFile(given(`${one}.pem`), certPem)
    await writeFile(given(`${one}.key`), keyPem, { mode: 0o600 })
  }
}

const byUrl = (provisioner: object) => ({
  ...{ root: root(), url: `https://127.0.0.1:${port}` },
  provisioner: { name: 'ops', ...provisioner },
})

async function planOf(settings: object, gatewaySettings: object = {}) {
  const value = JSON.parse(await readFile(join(gateway, 'lab.json'), 'utf8'))
  value.nodes.ca.units.ca.settings = settings
  Object.assign(value.nodes.gateway.units.gateway.settings, gatewaySettings)
  return compile(new LoadedTopology('lab', value, {}, { folder: gateway }))
}

const stolen = { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch', proof: 'status alone' } as const

for (const [way, { settings, signer }] of Object.entries(ways)) {
  const parts = async () => ({
    ...{ backend: backend('process'), ...(await callParts()), keep: false },
    plan: () => planOf(settings()),
  })
  scenarioOn({}, parts)(
    `${way}: signs for all nodes, and the gateway tells whose token it is`,
    async ({ site, credential }) => {
      const shop = credential('shop')
      expect(await site.call('shop', 'gateway', 'call', shop)).toBeAccepted()
      const other = shop.over(credential('cert-courier'))
      expect(await site.call('shop', 'gateway', 'call', other)).toBeRefused(stolen)

      const [leaf, ...behind] = chainOf((await shop.identity()).certPem)
      const anchor = new X509Certificate(await readFile(settings().root.cert))
      expect(leaf!.issuer).toBe(signer)
      expect(behind.at(-1)!.checkIssued(anchor) && behind.at(-1)!.verify(anchor.publicKey)).toBe(true)
      await leavesKeysWhereTheyAre(site.site.node('ca').dir)
    },
  )
}

/** Of the user's keys and password, nothing lies in the folder of the run or stands in an argument. */
async function leavesKeysWhereTheyAre(dir: string): Promise<void> {
  const keys = [join(work, 'rsa.key'), at('secrets', 'intermediate_ca_key'), join(work, 'password')]
  const secrets = await Promise.all(
    keys.map(async (file) => (await readFile(file, 'utf8')).split('\n').at(-3) || password),
  )
  // <run>/nodes/ca
  const folder = join(dir, '..', '..')
  let files = 0
  for await (const entry of glob('**', { cwd: folder, withFileTypes: true })) {
    if (!entry.isFile()) continue
    files += 1
    const text = await readFile(join(entry.parentPath, entry.name), 'latin1')
    for (const secret of secrets) expect(text.includes(secret), join(entry.parentPath, entry.name)).toBe(false)
  }
  expect(files).toBeGreaterThan(20)
  for await (const file of glob('/proc/[0-9]*/cmdline')) {
    const line = await readFile(file, 'utf8').catch(() => '')
    for (const secret of secrets) expect(line).not.toContain(secret)
  }
}

/** Another CA than that of the lab: it signs the gateway alone. */
async function publicIdentity() {
  const authority = await rogueAuthority('Public Root')
  const { certPem, keyPem } = await issueLeaf({ authority, subject: 'gateway.lab.test', sans: ['gateway.lab.test'] })
  const files = { ca: authority.anchorPem, cert: certPem, key: keyPem }
  for (const [name, text] of Object.entries(files))
    await writeFile(join(work, `public-${name}.pem`), text, { mode: 0o600 })
}
const publicFile = (name: string) => join(work, `public-${name}.pem`)

for (const trusted of ['a bundle', 'the trust store of the machine']) {
  const ofPublicCa = scenarioOn({}, async () => ({
    ...{ backend: backend('process'), ...(await callParts()), keep: false },
    plan: async () => {
      const ca = trusted === 'a bundle' ? publicFile('ca') : 'system'
      return planOf({}, { serverCertificate: { ca, cert: publicFile('cert'), key: publicFile('key') } })
    },
  }))
  ofPublicCa(
    `a gateway that a public CA certifies is believed by ${trusted}, and takes whom its own CA signs`,
    async ({ site, credential }) => {
      const shop = credential('shop')
      expect(await site.call('shop', 'gateway', 'call', shop)).toBeAccepted()
      expect(await site.call('shop', 'gateway', 'call', shop.over(credential('cert-courier')))).toBeRefused(stolen)
    },
  )
}

test('a gateway that leads to none of the roots is not believed, and the lab does not come up', async () => {
  const served = { ca: root().cert, cert: publicFile('cert'), key: publicFile('key') }
  // Long enough for its program to listen on a busy machine: what it serves is refused until then.
  const plan = await planOf({}, { serverCertificate: served, readyWithin: '6s' })
  const launched = backend('process').launch(plan, { evidence: join(work, 'evidence') })
  await expect(launched).rejects.toThrow(/unable to verify|unable to get local issuer|self-signed/)
})

test.each([
  [{ ca: 'missing.pem' }, 'HOLDFAST_FILE_UNREADABLE'],
  [() => ({ ca: publicFile('key') }), 'HOLDFAST_NO_CERTIFICATE'],
  [() => ({ ca: publicFile('ca'), cert: publicFile('cert'), key: join(work, 'rsa.key') }), 'HOLDFAST_KEY_UNFIT'],
])('what a gateway serves with is looked at before anything starts: %#', async (served, code) => {
  const serverCertificate = typeof served === 'function' ? served() : served
  await expect(demandGiven(await planOf({}, { serverCertificate }))).rejects.toMatchObject({ code })
})

test.each([
  [() => ({ name: 'opps', password: join(work, 'password') }), 'has no JWK provisioner "opps"; it has ops'],
  [() => ({ password: join(work, 'wrong') }), 'is not opened by the password of "ops"'],
])('a provisioner of which the CA at the URL knows otherwise is told: %#', async (provisioner, message) => {
  const launched = backend('process').launch(await planOf(byUrl(provisioner())), { evidence: join(work, 'evidence') })
  await expect(launched).rejects.toThrow(message)
})

test('a CA at the URL that does not lead to the root is not believed', async () => {
  const plan = await planOf({ ...byUrl({ password: join(work, 'password') }), root: { cert: join(work, 'rsa.pem') } })
  const launched = backend('process').launch(plan, { evidence: join(work, 'evidence') })
  await expect(launched).rejects.toThrow(/ca\/ca: https:.*does its certificate lead to .*rsa\.pem/)
})

test('the guide on a CA of one’s own does what it says', async () => {
  const folder = join(work, 'guide')
  await mkdir(folder)
  await writeFile(join(folder, 'password'), `${password}\n`, { mode: 0o600 })
  // As `npm install` leaves it.
  await mkdir(join(folder, 'node_modules'))
  const installed = {
    holdfast: repository,
    ...Object.fromEntries(packages.map((name) => [name, join(repository, 'node_modules', name)])),
  }
  for (const [name, from] of Object.entries(installed)) await symlink(from, join(folder, 'node_modules', name))
  const [step] = await ensureTools(['step'])
  const guide = await readFile(join(repository, 'docs', 'guides', 'your-own-ca.md'), 'utf8')
  const lines = [...guide.matchAll(/```sh\n([\s\S]*?)\n```/g)].flatMap(([, text = '']) => text.split('\n'))
  const holdfast = `'${process.execPath}' --conditions=holdfast-source '${join(repository, 'harness/cli/main.ts')}'`
  let printed = ''
  for (const line of lines) {
    const typed = line.replace(/^npx holdfast/, holdfast).replace(/^step/, `'${step!.path}'`)
    const { stdout } = await run('sh', ['-c', typed], { cwd: folder, env: { ...process.env, STEPPATH: steppath } })
    printed = stdout
  }
  expect(lines).toHaveLength(5)
  expect(printed).toMatch(/[1-9][0-9]* passed · 0 failed/)
  const { root: anchor, intermediate } = JSON.parse(await readFile(join(folder, 'lab.json'), 'utf8')).nodes.ca.units.ca
    .settings
  expect([anchor, intermediate]).toEqual([
    { cert: 'root.pem' },
    { cert: 'ca.pem', key: 'ca.key', password: 'password' },
  ])

  await copyFile(join(folder, 'root.key'), join(folder, 'ca.key'))
  const refused = run('sh', ['-c', `${holdfast} check ./lab.json`], { cwd: folder })
  await expect(refused).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /settings\.intermediate\.key: .*ca\.key is not the key of .*\n {2}code HOLDFAST_KEY_UNFIT/,
    ),
  })
})
