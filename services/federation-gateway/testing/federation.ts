import { X509Certificate } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Agent, request } from 'node:https'
import type { Decision } from '../../shared/decision-log.ts'
import type { TlsMaterial } from '../../shared/tls-material.ts'
import { readCrl } from '../certificates/crl.ts'
import type { CrlsInUse } from '../certificates/crl-keeper.ts'
import type {
  AdmissionStore,
  FederationEntry,
  FederationListenerOptions,
  LentGrant,
  Verbs,
} from '../listeners/federation-listener.ts'
import { createFederationListener } from '../listeners/federation-listener.ts'
import { Records } from '../listeners/records.ts'
import type { RegisteredLeaf } from '../states/leaf.ts'
import type { AuditRow } from '../storage/audit/rows.ts'
import { GRANT, OIDS, PEER, POINT, PROVISIONER, SUBJECT, sha256, type TestCa } from './certificates.ts'
import { type Held, hold, holdServer, liveRoot, liveSub } from './live.ts'

// A lending gateway without its database: a root, an intermediate, a listener, and a store that says what a test wants.

export const TENANT = 'c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
export const PEER_ID = 'd0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
export const ROW_ID = 'e0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

export interface Site {
  readonly root: TestCa
  readonly intermediate: TestCa
  readonly server: Held
  readonly client: Held
  readonly material: TlsMaterial
}

export async function makeSite(): Promise<Site> {
  const root = await liveRoot('root')
  const intermediate = await liveSub(root, 'intermediate')
  const server = await holdServer(root, ['localhost'])
  const client = await hold(intermediate, {}, [intermediate])
  const anchors = [root.certificate]
  const material: TlsMaterial = {
    ...{ certificate: server.cert, key: server.key, leaf: new X509Certificate(server.cert) },
    ...{ anchors: new Map([['peers', anchors]]), trusted: anchors.map(String) },
  }
  return { root, intermediate, server, client, material }
}

export async function listsOf(
  { root, intermediate }: Pick<Site, 'root' | 'intermediate'>,
  serials: string[] = [],
  nextUpdate = new Date(Date.now() + 600_000),
): Promise<CrlsInUse> {
  const now = Date.now()
  const times = { thisUpdate: new Date(now - 60_000), nextUpdate }
  // As the keeper would have read them while they were fresh.
  const at = Math.min(now, nextUpdate.getTime() - 2_000)
  const rootList = readCrl(await root.crl({ ...times, point: undefined }), {
    ...{ issuer: root.certificate, distributionPoint: undefined, now: at },
  })
  const issuing = readCrl(await intermediate.crl({ ...times, serials }), {
    ...{ issuer: intermediate.certificate, distributionPoint: POINT, now: at },
  })
  return { pems: [rootList.pem, issuing.pem], serials: issuing.serials, issuing }
}

export function lentGrant(changes: Partial<LentGrant> = {}): LentGrant {
  return {
    ...{ id: GRANT, tenantId: TENANT, subjectUserId: SUBJECT, status: 'active', expiresAt: null, peerId: PEER_ID },
    peer: { commonName: PEER, direction: 'inbound', status: 'active' },
    subject: { tenantId: TENANT, disabledAt: null, deletedAt: null },
    scope: { resources: ['tasks'], excluded_resources: [], max_rows_per_query: 100, filters: {} },
    ...{ epoch: 7, rateLimit: 60 },
    rights: { tenantId: TENANT, userId: SUBJECT, teams: [], deniedResources: [], sharePersonal: true },
    ...changes,
  }
}

export interface Lending extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly decisions: Decision[]
  readonly entries: FederationEntry[]
  /** As the audit gets them. */
  readonly rows: AuditRow[]
  readonly store: { -readonly [Name in keyof AdmissionStore]: AdmissionStore[Name] }
  readonly verbs: { -readonly [Name in keyof Verbs]: Verbs[Name] }
  readonly log: { events: string[]; isFull: boolean }
  readonly listener: ReturnType<typeof createFederationListener>
  /** What the store says of the client's certificate. */
  registered: RegisteredLeaf
  grant: LentGrant | undefined
}

export async function lend(site: Site, changes: Partial<FederationListenerOptions> = {}): Promise<Lending> {
  const decisions: Decision[] = []
  const entries: FederationEntry[] = []
  const rows: AuditRow[] = []
  const log: Lending['log'] = { events: [], isFull: false }
  const say = (event: string) => void log.events.push(event)
  const records = new Records(
    {
      record(decision) {
        if (log.isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
        decisions.push(decision)
      },
      close() {},
    },
    { error: say },
  )
  const registered: RegisteredLeaf = { grantId: GRANT, x5t: x5tOf(site.client), status: 'active', supersededAt: null }
  const said = { registered, grant: lentGrant() as LentGrant | undefined }
  const store: Lending['store'] = { admission: async () => ({ ...said }), accepted: async () => true }
  const verbs: Lending['verbs'] = {
    list: async () => ({ status: 200, body: { items: [] }, rowsOut: 0 }),
    get: async () => ({ status: 200, body: { item: {} }, rowsOut: 1 }),
    search: async () => ({ status: 200, body: { items: [] } }),
    renew: async () => ({ status: 200, body: {} }),
    cursor: () => undefined,
  }
  const listener = createFederationListener({
    ...{ host: '127.0.0.1', port: 0, names: ['localhost'], node: 'gateway-b', material: site.material },
    policy: { provisioner: { name: PROVISIONER.name, kids: new Set([PROVISIONER.kid]) }, oids: OIDS },
    ...{ overlapSeconds: 60, records, log: { info: say, warn: say, error: say } },
    store: { admission: (...given) => store.admission(...given), accepted: (...given) => store.accepted(...given) },
    verbs: {
      list: (...given) => verbs.list(...given),
      get: (...given) => verbs.get(...given),
      search: (...given) => verbs.search(...given),
      renew: (...given) => verbs.renew(...given),
      cursor: (...given) => verbs.cursor(...given),
    },
    onEnded: (entry) => void entries.push(entry),
    auditor: { open: () => ({ settle: (row) => void rows.push(row), cancel() {} }) },
    ...changes,
  })
  await listener.useLists(await listsOf(site))
  return Object.assign(said, {
    ...{
      url: `https://localhost:${listener.port}`,
      port: listener.port!,
      decisions,
      entries,
      rows,
      store,
      verbs,
      log,
      listener,
    },
    [Symbol.asyncDispose]: () => listener.close(0),
  })
}

export function x5tOf({ certificate }: Held): string {
  return sha256(certificate.raw)
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Asking {
  readonly as?: { readonly cert: string; readonly key: string }
  readonly ca?: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
  readonly agent?: Agent
  readonly servername?: string
}

/** One request; a connection that ends without an answer rejects. A body that is no text is sent as JSON. */
export function ask(
  url: string,
  { as, ca, method = 'POST', headers = {}, body, agent, servername }: Asking,
): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const type: Record<string, string> = text === undefined ? {} : { 'content-type': 'application/json' }
  const options = {
    method,
    headers: { ...type, ...headers },
    ...as,
    ...(ca && { ca }),
    agent: agent ?? false,
    servername: servername ?? 'localhost',
  }
  return new Promise((resolve, reject) => {
    const sending = request(url, options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString() }),
      )
      response.on('error', reject)
    })
    sending.on('error', reject)
    sending.end(text)
  })
}
