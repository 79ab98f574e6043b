import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Decision } from '../../shared/decision-log.ts'
import { freePort, spawnService, startService, type TestService } from '../../shared/testing/service-process.ts'
import { makeToken } from '../enrolment/token.ts'
import { serialFromHex } from '../serial.ts'
import { activate } from '../storage/activation.ts'
import { claimToken, storeToken } from '../storage/enrolment-tokens.ts'
import { getInboundPeer } from '../storage/inbound-peers.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { makeAuditRow, makeLeaf, type TestGrant } from '../storage/testing/tenant.ts'
import {
  makeKeys,
  namesExtension,
  OIDS,
  PROVISIONER,
  provisionerExtension,
  sha256,
  spkiOf,
  type TestCa,
  uuidExtension,
} from './certificates.ts'
import { type Answer, type Asking, ask } from './federation.ts'
import { type Held, hold, holdServer, json, type LiveServer, liveRoot, liveServer, liveSub } from './live.ts'
import { makeProvisionerJwk } from './provisioner.ts'

// Not shipped: the real program over a database of its own, beside a CA that does what a test says.

export const NAME = 'gateway-b.somebiz.local.io'
export const SECRET = 'bbbbZk3mQ9xW1rT7yU2pL5sD8fG4hJ6cV0nA'

/** A CA as the gateway sees one: its health, its list, and what it is told to revoke. */
export interface FakeCa extends AsyncDisposable {
  readonly server: LiveServer
  readonly root: TestCa
  readonly issuing: TestCa
  readonly point: string
  /** Serial numbers in its list, in hex. */
  readonly revoked: string[]
  /** Answers nothing but 500. */
  isDown: boolean
  listEndsAt: Date
}

export async function fakeCa(): Promise<FakeCa> {
  const root = await liveRoot('root')
  const issuing = await liveSub(root, 'issuing')
  const held = await holdServer(root, ['localhost'])
  const ca = { root, issuing, revoked: [] as string[], isDown: false, listEndsAt: new Date(Date.now() + 600_000) }
  let number = 0
  const server = await liveServer({ cert: held.cert, key: held.key }, async (request, response, body) => {
    if (ca.isDown) return json(response, 500, {})
    if (request.url === '/health') return json(response, 200, { status: 'ok' })
    if (request.url === '/1.0/revoke') {
      ca.revoked.push(BigInt(JSON.parse(body).serial).toString(16))
      return json(response, 200, { status: 'ok' })
    }
    if (request.url !== '/1.0/crl') return json(response, 404, {})
    number += 1
    const thisUpdate = new Date(Date.now() - 60_000)
    const list = { number, thisUpdate, nextUpdate: ca.listEndsAt, at: `${server.url}/1.0/crl`, serials: ca.revoked }
    response.writeHead(200).end(await issuing.crl(list))
  })
  return Object.assign(ca, {
    ...{ server, point: `${server.url}/1.0/crl` },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })
}

export interface GatewaySite extends AsyncDisposable {
  readonly folder: string
  readonly ca: FakeCa
  readonly database: TestDatabase
  readonly kid: string
  readonly ports: { readonly public: number; readonly federation: number }
  /** Of the gateway, to be changed before it is started. */
  readonly configuration: Record<string, unknown>
  put(name: string, text: string | Buffer): string
  decisions(): (Decision & { audit?: unknown })[]
}

export async function gatewaySite(database: TestDatabase): Promise<GatewaySite> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-gateway-'))
  const ca = await fakeCa()
  const put = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 })
    return join(folder, name)
  }
  const jwk = await makeProvisionerJwk()
  const server = await holdServer(ca.root, [NAME])
  const [open, federation] = [await freePort(), await freePort()]
  const decisionLog = join(folder, 'decisions.jsonl')
  const now = Date.now()
  const times = { thisUpdate: new Date(now - 60_000), nextUpdate: new Date(now + 600_000) }
  return {
    ...{ folder, ca, database, kid: jwk.kid, ports: { public: open, federation }, put },
    configuration: {
      ...{ tier: 'federated', publicName: NAME, databaseUrl: database.url, decisionLog },
      sealing: { secretFile: put('secret', SECRET) },
      stepCa: {
        ...{ url: ca.server.url, rootCertPath: put('root.pem', String(ca.root.certificate)) },
        provisionerKeyFile: put('provisioner.json', JSON.stringify(jwk)),
      },
      clientCa: put('client-ca.pem', `${ca.root.certificate}${ca.issuing.certificate}`),
      listeners: { public: `127.0.0.1:${open}`, federation: `127.0.0.1:${federation}` },
      tls: { cert: put('server.pem', server.cert), key: put('server.key', server.key) },
      crl: { rootCrlFile: put('root.crl', await ca.root.crl({ ...times, point: undefined })) },
    },
    decisions: () =>
      readFileSync(decisionLog, 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    async [Symbol.asyncDispose]() {
      await ca[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface RunningGateway extends TestService {
  /** Over the listener without client certificates. */
  public(path: string, asking?: Asking): Promise<Answer>
  federation(path: string, asking?: Asking): Promise<Answer>
}

export async function startGateway(site: GatewaySite, changes: object = {}): Promise<RunningGateway> {
  const service = await startService('federation-gateway', site.folder, { ...site.configuration, ...changes }, [
    'start',
  ])
  const askAt =
    (port: number) =>
    (path: string, asking: Asking = {}) =>
      ask(`https://127.0.0.1:${port}${path}`, {
        ...{ ca: String(site.ca.root.certificate), servername: NAME },
        ...asking,
        headers: { host: `${NAME}:${port}`, ...asking.headers },
      })
  return { ...service, public: askAt(site.ports.public), federation: askAt(site.ports.federation) }
}

/** Runs a command to its end. */
export async function runGateway(
  { folder, configuration }: Pick<GatewaySite, 'folder' | 'configuration'>,
  command: string[],
  changes: object = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const service = spawnService('federation-gateway', folder, { ...configuration, ...changes }, command)
  const code = await service.exited
  return { code, stdout: service.stdout(), stderr: service.stderr() }
}

export interface PeerLeaf extends Held {
  readonly serial: string
}

/** A peer with a certificate for a grant, as it is once it has enrolled: the grant is active, the certificate registered. */
export async function enrolledPeer(site: GatewaySite, grant: TestGrant, subjectUserId: string): Promise<PeerLeaf> {
  const { app } = site.database
  const { commonName } = (await getInboundPeer(app, { tenantId: grant.tenantId, id: grant.peerId }))!
  const keys = await makeKeys()
  const held = await hold(
    site.ca.issuing,
    {
      ...{ keys, point: site.ca.point, subject: `CN=${commonName}` },
      extensions: {
        names: namesExtension(['dns', commonName]),
        provisioner: provisionerExtension({ name: PROVISIONER.name, kid: site.kid }),
        grant: uuidExtension(OIDS.grant, grant.grantId),
        subject: uuidExtension(OIDS.subject, subjectUserId),
      },
    },
    [site.ca.issuing],
  )
  const { certificate } = held
  const serial = serialFromHex(certificate.serialNumber)!
  const spkiSha256 = createHash('sha256')
    .update(await spkiOf(keys))
    .digest('hex')
  const made = makeToken()
  await storeToken(app, { ...grant, purpose: 'enrolment', ttlSeconds: 900, made })
  const { issuanceId } = await claimToken(app, {
    ...{ sha256: made.sha256, requestId: crypto.randomUUID() },
    csrSha256: spkiSha256,
  })
  const leaf = makeLeaf({ serial, x5t: sha256(certificate.raw), spkiSha256, notAfter: certificate.validToDate })
  const activation = {
    ...grant,
    issuanceId: issuanceId!,
    purpose: 'enrolment',
    leaf,
    audit: makeAuditRow({ verb: 'enrol' }),
  } as const
  if ((await activate(app, activation)) !== 'active') throw new Error(`grant ${grant.grantId} was not activated`)
  return { ...held, serial }
}
