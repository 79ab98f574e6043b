import { KeyObject } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompactEncrypt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueLeaf, rogueAuthority, type SigningAuthority, subordinate } from '../pki/authority.ts'
import { compile } from '../shipped.ts'
import { LoadedTopology } from '../topology/loaded-topology.ts'
import type { Plan } from '../topology/plan.ts'
import { demandGiven } from './given-files.ts'

let folder: string
const hourMs = 3_600_000

const keyOf = ({ key }: SigningAuthority) => KeyObject.from(key)

/** Writes a CA as `NAME.pem` and `NAME.key`, and its key encrypted as `NAME.locked`. */
async function written(name: string, authority: SigningAuthority): Promise<SigningAuthority> {
  const key = keyOf(authority)
  const pem = (options: object) => key.export({ type: 'pkcs8', format: 'pem', ...options }).toString()
  await file(`${name}.pem`, `${authority.certificate.toString('pem')}\n`)
  await file(`${name}.key`, pem({}))
  await file(`${name}.locked`, pem({ cipher: 'aes-256-cbc', passphrase: 'correct horse battery' }))
  return authority
}

const file = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-given-'))
  const root = await written('root', await rogueAuthority('Corp Root'))
  const last = await written('last', await subordinate(root, 'Last CA', { pathLength: 0 }))
  await written('other', await rogueAuthority('Other Root'))
  const one = await written('one', await subordinate(root, 'CA one', { pathLength: 1 }))
  const two = await written('two', await subordinate(one, 'CA two', { pathLength: 0 }))
  const tooMany = await written('too-many', await subordinate(last, 'One CA too many'))
  const pemOf = ({ certificate }: SigningAuthority) => `${certificate.toString('pem')}\n`
  await file('two-chain.pem', pemOf(two) + pemOf(one))
  await file('too-many-chain.pem', pemOf(tooMany) + pemOf(last))
  await file('roots.pem', pemOf(root) + pemOf(one))
  const leaf = await issueLeaf({ authority: root, subject: 'leaf.test', sans: ['leaf.test'] })
  await file('leaf.pem', leaf.certPem.replace(pemOf(root), ''))
  await file('leaf.key', leaf.keyPem)
  await file('password', 'correct horse battery\n')
  await file('wrong-password', 'incorrect\n')
  await file('text', 'no PEM at all\n')
  const notAfter = new Date(Date.now() + hourMs / 6)
  const short = await issueLeaf({ authority: root, subject: 'leaf.test', sans: ['leaf.test'], notAfter })
  await file('short.pem', short.certPem)
  await file('short.key', short.keyPem)
  await file('open-leaf.key', leaf.keyPem)
  await chmod(join(folder, 'open-leaf.key'), 0o644)
  await file('open.key', keyOf(last).export({ type: 'pkcs8', format: 'pem' }).toString())
  await chmod(join(folder, 'open.key'), 0o644)
  const jwk = JSON.stringify(keyOf(last).export({ format: 'jwk' }))
  await file('provisioner.json', jwk)
  await file('provisioner.pub.json', JSON.stringify({ ...JSON.parse(jwk), d: undefined }))
  const locked = new CompactEncrypt(new TextEncoder().encode(jwk)).setProtectedHeader({
    ...{ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM' },
  })
  const secret = new TextEncoder().encode('correct horse battery')
  await file('provisioner.jwe', await locked.setKeyManagementParameters({ p2c: 100_000 }).encrypt(secret))
})
afterAll(() => rm(folder, { recursive: true }))

/** A lab whose CA has these settings, and signs or signed for `app`. */
function planOf(settings: object): Plan {
  const value = {
    ...{ name: 'given', summary: 'A CA of the user’s.', trustDomains: { lab: { ca: 'ca' } }, accepts: [] },
    nodes: {
      ca: { host: 'ca.lab.test', domain: 'lab', units: { ca: { kind: 'step-ca', settings } } },
      app: {
        host: 'leaf.test',
        domain: 'lab',
        units: { app: { kind: 'exec', settings: { run: ['true'], token: 'none' } } },
      },
    },
    credentials: {
      'cert-app': { kind: 'certificate', issuer: 'ca', holder: 'app', lifetime: '1h', handover: 'enrol' },
    },
  }
  return compile(new LoadedTopology('given', value, {}, { folder }))
}

const root = { cert: 'root.pem' }
const intermediate = { cert: 'last.pem', key: 'last.key' }
const url = 'https://ca.corp.test:9000'
const having = (own: object = {}) => ({
  root,
  certificates: { 'cert-app': { cert: 'leaf.pem', key: 'leaf.key', ...own } },
})

test.each([
  [{ root: { cert: 'root.pem', key: 'root.key' } }],
  [having()],
  [{ ...having(), intermediate }],
  [{ root, intermediate }],
  [{ root, intermediate: { cert: 'two-chain.pem', key: 'two.key' } }],
  [{ root, intermediate: { cert: 'last.pem', key: 'last.locked', password: 'password' } }],
  [{ root, url, provisioner: { name: 'ops', key: 'provisioner.json' } }],
  [{ root, url, provisioner: { name: 'ops', key: 'provisioner.jwe', password: 'password' } }],
  [{ root, url, provisioner: { name: 'ops', password: 'password' } }],
])('%j will do', async (settings) => {
  await demandGiven(planOf(settings))
})

const at = 'nodes.ca.units.ca.settings'
const below = (own: object) => ({ root, intermediate: { ...intermediate, ...own } })
const by = (own: object) => ({ root, url, provisioner: { name: 'ops', ...own } })

test.each([
  ['HOLDFAST_FILE_UNREADABLE', { root: { cert: 'rot.pem', key: 'root.key' } }, `${at}.root.cert: `, 'is not there'],
  ['HOLDFAST_FILE_UNREADABLE', below({ key: '.' }), `${at}.intermediate.key: `, 'cannot be read (EISDIR)'],
  ['HOLDFAST_FILE_UNREADABLE', by({ password: 'missing' }), `${at}.provisioner.password: `, 'is not there'],
  ['HOLDFAST_SECRET_EXPOSED', below({ key: 'open.key' }), `${at}.intermediate.key: `, 'chmod o= '],
  ['HOLDFAST_NO_CERTIFICATE', { root: { cert: 'text', key: 'root.key' } }, `${at}.root.cert: `, 'holds no certificate'],
  [
    'HOLDFAST_NO_CERTIFICATE',
    { root: { cert: 'roots.pem' }, intermediate },
    `${at}.root.cert: `,
    'name the root alone',
  ],
  ['HOLDFAST_NO_KEY', below({ key: 'last.pem' }), `${at}.intermediate.key: `, 'holds no private key'],
  ['HOLDFAST_KEY_LOCKED', below({ key: 'last.locked' }), `${at}.intermediate.key: `, 'is encrypted'],
  [
    'HOLDFAST_KEY_LOCKED',
    below({ key: 'last.locked', password: 'wrong-password' }),
    `${at}.intermediate.key: `,
    'is not opened by the password in',
  ],
  ['HOLDFAST_KEY_UNFIT', below({ key: 'other.key' }), `${at}.intermediate.key: `, 'is not the key of the certificate'],
  ['HOLDFAST_KEY_UNFIT', { root: { cert: 'root.pem', key: 'last.key' } }, `${at}.root.key: `, 'root.pem'],
  [
    'HOLDFAST_CA_NOT_BELOW_ROOT',
    { root: { cert: 'other.pem' }, intermediate },
    `${at}.intermediate.cert: `,
    'did not sign',
  ],
  [
    'HOLDFAST_CA_NOT_BELOW_ROOT',
    below({ cert: 'two.pem', key: 'two.key' }),
    `${at}.intermediate.cert: `,
    'did not sign',
  ],
  ['HOLDFAST_CA_NOT_BELOW_ROOT', { root: { cert: 'one.pem', key: 'one.key' } }, `${at}.root.cert: `, 'is no root'],
  [
    'HOLDFAST_CA_MAY_NOT_SIGN',
    below({ cert: 'leaf.pem', key: 'leaf.key' }),
    `${at}.intermediate.cert: `,
    'may sign no',
  ],
  [
    'HOLDFAST_CA_PATH_LENGTH',
    below({ cert: 'too-many-chain.pem', key: 'too-many.key' }),
    `${at}.intermediate.cert: `,
    'allows 0 CAs below it, and there would be 1',
  ],
  ['HOLDFAST_FILE_UNREADABLE', having({ cert: 'missing' }), `${at}.certificates.cert-app.cert: `, 'is not there'],
  ['HOLDFAST_KEY_UNFIT', having({ key: 'other.key' }), `${at}.certificates.cert-app.key: `, 'is not the key of the'],
  ['HOLDFAST_KEY_LOCKED', having({ key: 'last.locked' }), `${at}.certificates.cert-app.key: `, 'is encrypted'],
  ['HOLDFAST_SECRET_EXPOSED', having({ key: 'open-leaf.key' }), `${at}.certificates.cert-app.key: `, 'chmod o= '],
  ['HOLDFAST_PROVISIONER', by({ key: 'text', password: 'password' }), `${at}.provisioner.key: `, 'is not opened'],
  ['HOLDFAST_PROVISIONER', by({ key: 'provisioner.jwe' }), `${at}.provisioner.key: `, 'name a file with its password'],
  [
    'HOLDFAST_PROVISIONER',
    by({ key: 'provisioner.jwe', password: 'wrong-password' }),
    `${at}.provisioner.key: `,
    'is not opened by the password of "ops"',
  ],
  ['HOLDFAST_PROVISIONER', by({ key: 'provisioner.pub.json' }), `${at}.provisioner.key: `, 'holds a public key'],
])('%s: %j is refused at %s', async (code, settings, place, why) => {
  const refused = demandGiven(planOf(settings))
  await expect(refused).rejects.toMatchObject({ code })
  await expect(refused).rejects.toThrow(place)
  await expect(refused).rejects.toThrow(why)
})

test('a certificate that the user has counts as the clocks of the run will show', async () => {
  const plan = planOf(having({ cert: 'short.pem', key: 'short.key' }))
  await demandGiven(plan)
  const expired = demandGiven(plan, Date.now() + hourMs / 2)
  await expect(expired).rejects.toMatchObject({ code: 'HOLDFAST_OUT_OF_TIME' })
  await expect(expired).rejects.toThrow(/certificates\.cert-app\.cert: .*short\.pem "CN=leaf\.test" expired 20.*Z/)
})

test('where the CA has no key here, a certificate without files is a mistake', () => {
  const others = { root, certificates: { 'cert-other': { cert: 'leaf.pem', key: 'leaf.key' } } }
  const mistakes = () => planOf(others)
  expect(mistakes).toThrow('"ca" has no key to sign it with; name its files among the certificates of that')
  expect(mistakes).toThrow('settings.certificates.cert-other: is no credential')
})

test('a CA counts as the clocks of the run will show: one that will have expired, or does not sign yet, is refused', async () => {
  const plan = planOf({ root, intermediate })
  const expired = demandGiven(plan, Date.now() + 2 * hourMs)
  await expect(expired).rejects.toMatchObject({ code: 'HOLDFAST_OUT_OF_TIME' })
  await expect(expired).rejects.toThrow(/root\.pem "CN=Corp Root" expired 20.*Z/)
  const early = demandGiven(plan, Date.now() - 2 * hourMs)
  await expect(early).rejects.toMatchObject({ code: 'HOLDFAST_OUT_OF_TIME' })
  await expect(early).rejects.toThrow(/begins 20.*Z/)
})

test.each([
  [{ root }, 'must have its key, or an intermediate'],
  [{ intermediate }, 'must have its key, or an intermediate'],
  [{ certificates: having().certificates }, 'goes with root, which signed them'],
  [{ root, url }, 'goes with url, and url with provisioner'],
  [{ url, provisioner: { name: 'ops', password: 'password' } }, 'goes with root'],
  [{ root, url, intermediate, provisioner: { name: 'ops', password: 'password' } }, 'who is up has the keys'],
  [{ root, url, provisioner: { name: 'ops' } }, 'must have a key or a password'],
])('settings that name too little or too much are mistakes of the topology: %j', (settings, message) => {
  expect(() => planOf(settings)).toThrow(message)
})
