import { z } from 'zod'
import type { TokenIssuer } from '../../credentials/bound-token/planned.ts'
import { durationPattern, durationSeconds } from '../../topology/duration.ts'
import type { Insider } from '../../topology/insider.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { HttpCall, PlanUnit, Step } from '../../topology/plan.ts'
import { holdersOf, hostText, port, text } from '../../topology/schema.ts'
import type { ActionVerification } from '../../topology/verification.ts'
import { tlsChecks } from '../checks.ts'
import { certificateOf, referenceService, startOf, tlsFiles } from '../reference-service.ts'
import { signingKeyStep } from '../step-command.ts'
import { actions, actionsAt } from './actions.ts'
import { registrationsOf } from './registrations.ts'

const duration = text(durationPattern, 'must be a duration such as 30s, 15m or 1h')

const settings = z
  .strictObject({
    operators: z
      .array(hostText)
      .min(1)
      .optional()
      .describe('DNS SANs of operator certificates. Default: those of the operator credential.'),
    operator: z
      .string()
      .optional()
      .describe(
        'Certificate credential of an operator, held by this node. Default: the one that does not name its host.',
      ),
    certificate: z.string().optional().describe('Certificate credential of this server. Default: `cert-<node>`.'),
    alg: z.enum(['ES256', 'ES384', 'EdDSA', 'PS256']).default('ES256').describe('Algorithm that signs tokens.'),
    nodeTokenLifetime: duration.default('1h').describe('Life of a node token that asks for none.'),
    peerTokenLifetime: duration.default('15m').describe('Life of a peer token that asks for none.'),
    maximumTokenLifetime: duration.default('24h').describe('Longest life of a token.'),
    ports: z
      .strictObject({ public: port.default(8443), mtls: port.default(8444), operator: port.default(8445) })
      .prefault({})
      .describe('Ports of its three listeners.'),
  })
  .describe('An auth server that mints certificate-bound access tokens, with its clients registered from the topology.')

type Settings = z.infer<typeof settings>
type Unit = UnitContext<Settings>

const CLIENTS = 'clients'

/** The reference auth server under `services/auth-server`. */
export const authServer = defineKind({
  name: 'auth-server',
  summary: 'auth server that mints certificate-bound access tokens (RFC 8705, RFC 9068)',
  settings,
  plan,
  offers: { 'bound-token': issuer },
  surfaces: ['strict-verifier', 'token-endpoint', 'introspection', 'revocation', 'mint-api', 'operator-api', 'start'],
  actions,
  observe: {
    listener: 'operator',
    request: { http: { paths: ['/operator/v1/tokens?limit=1000', '/operator/v1/clients', '/operator/v1/keys'] } },
    ignore: [],
    grows: ['/operator/v1/tokens?limit=1000'],
  },
})

function plan(unit: Unit): KindPlan {
  const { ports } = unit.settings
  checkLifetimes(unit)
  return {
    summary: `auth server of ${unit.domain}, at ${issuerUrl(unit)}`,
    files: [{ path: '@{unit}/config.json', json: configuration(unit) }],
    // The server begins with a key that lies on its node, so that an attack can sign with the real one.
    steps: [signingKeyStep('@{unit}/signing', unit.settings.alg)],
    service: referenceService(unit, 'auth-server', ports.operator, [
      { name: 'public', port: ports.public, protocol: 'https', clientCertificate: 'none' },
      { name: 'mtls', port: ports.mtls, protocol: 'https', clientCertificate: 'requested' },
      { name: 'operator', port: ports.operator, protocol: 'https', clientCertificate: 'required' },
    ]),
    companions: [clients(unit)],
    actions: actionsAt(unit),
    // One call that reads and one that writes: all calls of the operator API pass the same checks.
    verification: { 'operator:list': operatorsOnly(unit), 'operator:revoke': operatorsOnly(unit) },
    insider: insider(unit),
  }
}

function insider(unit: Unit): Insider {
  const ending = (path: string, json: unknown) => operatorCall(unit, { method: 'POST', path, json, expect: [200] })
  return {
    mints: { signingKey: '@{unit}/signing.json', asked: 'token:introspect' satisfies keyof typeof actions },
    standIn: { keys: 'public', clients: 'mtls' },
    operator: { listener: 'operator', sans: operatorNames(unit) },
    ends: { revoke: ending('/tokens/revoke', {}), rotate: ending('/keys/rotate', { mode: 'immediate' }) },
    start: startOf('listen.public', 'listen.mtls', 'listen.operator'),
  }
}

/** What is judged of a call of the operator API once its caller was let in. */
const OPERATOR_CALL = ['request.route', 'request.query', 'request.json', 'operator.object', 'storage.write']

function operatorsOnly(unit: Unit): ActionVerification {
  const refused = { guard: 'operator.caller', reason: 'not_operator', layer: 'http', status: 403 } as const
  return {
    takes: [['certificate', 'bound-token']],
    checks: [
      ...tlsChecks('operator.tls', [unit.domain]),
      { check: 'certificate/named', args: { sans: operatorNames(unit) }, settles: true },
      { check: 'bound-token/presented', ...refused, error: 'access_denied' },
      { check: 'bound-token/absent', ...refused, error: 'insufficient_scope' },
    ],
    guards: ['tls.handshake', 'operator.tls', 'http.form', 'request.host', 'operator.caller', ...OPERATOR_CALL],
  }
}

function issuer(unit: Unit): TokenIssuer {
  return {
    url: issuerUrl(unit),
    by: 'operator',
    prove({ subject }) {
      const url = `https://${unit.host}:${unit.settings.ports.mtls}/holders/self`
      return { method: 'PUT', url, json: { client_id: subject }, expect: [200] }
    },
    mint({ subject, resource, scope, lifetimeSeconds }) {
      const json = { clientId: subject, resource, scope, expiresIn: lifetimeSeconds }
      return operatorCall(unit, { method: 'POST', path: '/tokens', json, expect: [201] })
    },
    member: 'access_token',
    after: `${unit.node}/${CLIENTS}`,
    lifetime: lifetimesOf(unit),
  }
}

function configuration(unit: Unit) {
  const { ports, alg } = unit.settings
  const { ca, cert, key } = tlsFiles(unit)
  const { node, peer, maximum } = lifetimesOf(unit)
  const foreign = registrationsOf(unit).flatMap(({ trustDomain }) => (trustDomain === unit.domain ? [] : [trustDomain]))
  return {
    issuer: issuerUrl(unit),
    node: unit.node,
    unit: unit.unit,
    listen: Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `@{address}:${port}`])),
    tls: { cert, key, ca },
    trustDomain: unit.domain,
    trustDomains: Object.fromEntries([...new Set(foreign)].map((domain) => [domain, { ca: unit.anchor(domain) }])),
    operators: operatorNames(unit),
    storage: { path: '@{unit}/state/auth.db' },
    signing: { alg, importKey: '@{unit}/signing.json' },
    tokens: { nodeSeconds: node, peerSeconds: peer, maximumSeconds: maximum },
    // Each refused call of a test is looked for in the log.
    limits: { handshakeRecords: 100_000 },
    decisionLog: '@{unit}/decisions.jsonl',
  }
}

/** The oneshot in which the operator registers every client that the topology needs here. */
function clients(unit: Unit): PlanUnit {
  const registrations = registrationsOf(unit)
  const lanes = registrations.map((json): Step[] => [
    { call: operatorCall(unit, { method: 'PUT', path: `/clients/${json.client_id}`, json, expect: [200, 201] }) },
  ])
  return {
    name: CLIENTS,
    kind: 'register',
    summary: `registers ${registrations.map(({ client_id }) => client_id).join(', ') || 'no clients'}`,
    after: [`${unit.node}/${unit.unit}`, `${unit.node}/${operatorCredential(unit)}`],
    files: [],
    steps: lanes.length === 0 ? [] : [{ parallel: lanes }],
  }
}

function operatorCall(unit: Unit, { path, ...call }: Omit<HttpCall, 'url' | 'tls'> & { path: string }): HttpCall {
  // The server itself does not need the operator's certificate, so it does not wait for it.
  const folder = unit.credentialPath(operatorCredential(unit))
  return {
    ...call,
    url: `https://${unit.host}:${unit.settings.ports.operator}/operator/v1${path}`,
    tls: { ca: unit.anchor(unit.domain), cert: `${folder}/cert.pem`, key: `${folder}/key.pem` },
  }
}

function operatorCredential(unit: Unit): string {
  if (unit.settings.operator !== undefined) return unit.settings.operator
  const own = certificateOf(unit)
  const [name, ...others] = Object.entries(unit.topology.credentials).flatMap(([name, credential]) =>
    credential.kind === 'certificate' && holdersOf(credential).includes(unit.node) && name !== own ? name : [],
  )
  if (name !== undefined && others.length === 0) return name
  unit.mistake('settings.operator', `node "${unit.node}" ${name === undefined ? noOperator(unit) : severalHeld}`)
  return own
}

const severalHeld = 'holds several certificates; name the one with which clients are registered'

function noOperator({ node, domain, host, topology }: Unit): string {
  const credential = {
    ...{ kind: 'certificate', issuer: topology.trustDomains[domain]?.ca, holder: node },
    ...{ subject: `operator.${host}`, lifetime: '1h', handover: 'enrol' },
  }
  return `holds no certificate of an operator; add to credentials: "operator": ${JSON.stringify(credential)}`
}

function operatorNames(unit: Unit): string[] {
  if (unit.settings.operators !== undefined) return unit.settings.operators
  const credential = unit.topology.credentials[operatorCredential(unit)]
  if (credential?.kind !== 'certificate') return []
  return credential.sans ?? [credential.subject ?? unit.host]
}

/** In seconds: what a token lives that asks for nothing, and how long any may. */
function lifetimesOf({ settings: { nodeTokenLifetime, peerTokenLifetime, maximumTokenLifetime } }: Unit) {
  return {
    node: durationSeconds(nodeTokenLifetime),
    peer: durationSeconds(peerTokenLifetime),
    maximum: durationSeconds(maximumTokenLifetime),
  }
}

function checkLifetimes(unit: Unit): void {
  const { maximum, ...lives } = lifetimesOf(unit)
  if (maximum > 86_400) unit.mistake('settings.maximumTokenLifetime', 'is longer than 24h, the longest life of a token')
  for (const [name, life] of Object.entries({ ...lives, maximum })) {
    const setting = `settings.${name}TokenLifetime`
    if (life < 30) unit.mistake(setting, 'is shorter than 30s, the shortest life of a token')
    if (life > maximum) unit.mistake(setting, 'is longer than maximumTokenLifetime; shorten it')
  }
}

function issuerUrl(unit: Unit): string {
  return `https://${unit.host}:${unit.settings.ports.public}`
}
