import { makeToken } from '../../services/federation-gateway/enrolment/token.ts'
import { Keyring } from '../../services/federation-gateway/sealing/keyring.ts'
import { serialFromHex } from '../../services/federation-gateway/serial.ts'
import { storeUserToken } from '../../services/federation-gateway/storage/bearer-tokens.ts'
import { databaseSalt } from '../../services/federation-gateway/storage/settings.ts'
import { startCluster } from '../../services/federation-gateway/storage/testing/cluster.ts'
import { makeTenant } from '../../services/federation-gateway/storage/testing/tenant.ts'
import { certify, enrol, makeAsking } from '../../services/federation-gateway/testing/asking.ts'
import { namesExtension } from '../../services/federation-gateway/testing/certificates.ts'
import { gatewaySite, NAME, SECRET, startGateway } from '../../services/federation-gateway/testing/gateway.ts'
import { holdServer } from '../../services/federation-gateway/testing/live.ts'
import type { RenewAnswer } from '../../services/federation-gateway/wire/answers.ts'
import type { Call, Target } from '../caller.ts'
import type { NodeIdentity } from '../site.ts'

// A gateway that asks lenders of the bench: the real program and PostgreSQL, and a CA of the bench in the place of step-ca.

/** Certificates last longer than any measure, and no longer than their CAs. */
const lifeMs = 2_400_000

export interface BenchAsker extends AsyncDisposable {
  readonly pid: number
  readonly target: Target
  readonly caller: Pick<NodeIdentity, 'ca'>
  /** What a server of these names shows and whom it trusts; the names are found on loopback. */
  server(names: readonly string[]): Promise<NodeIdentity>
  /** A user of its own for whom there are these lenders, all at one port. */
  userWith(lenders: readonly string[], port: number): Promise<{ token: string; peerIds: readonly string[] }>
  /** As their CA would. */
  certify(csrPem: string): Promise<RenewAnswer>
  /** Of whoever administers it. */
  readonly operatorToken: string
}

export async function benchAsker(settings: object): Promise<BenchAsker> {
  await using opened = new AsyncDisposableStack()
  const cluster = opened.use(await startCluster())
  const database = opened.use(await cluster.database())
  const site = opened.use(await gatewaySite(database))
  const operatorToken = makeToken().token
  const admin = { operatorTokenFile: site.put('operator', operatorToken) }
  const gateway = opened.use(await startGateway(site, { admin, ...settings }))
  const { root, issuing } = site.ca
  const keyring = new Keyring({ secret: SECRET, salt: await databaseSalt(database.app) })
  const asking = makeAsking(database.app, { keyring, publicName: NAME })
  const notAfter = () => new Date(Date.now() + lifeMs)
  const owned = opened.move()
  return {
    pid: gateway.process.pid!,
    target: { address: '127.0.0.1', host: NAME, port: site.ports.public },
    caller: { ca: String(root.certificate) },
    operatorToken,
    async server(names) {
      const { cert, key } = await holdServer(root, names, { notAfter: notAfter() })
      return { cert, key, ca: `${root.certificate}${issuing.certificate}` }
    },
    async certify(csrPem) {
      const names = { subject: `CN=${NAME}`, extensions: { names: namesExtension(['dns', NAME]) } }
      const { certificate, ...offered } = await certify(csrPem, issuing, { ...names, notAfter: notAfter() })
      const serial = serialFromHex(certificate.serialNumber)!
      return { ...offered, serial, notAfter: certificate.validToDate.toISOString() }
    },
    async userWith(lenders, port) {
      const { tenantId, alice: ownerUserId } = await makeTenant(database.owner)
      const peerIds: string[] = []
      for (const commonName of lenders) {
        const federationUrl = `https://${commonName}:${port}`
        const of = { tenantId, ownerUserId, commonName, federationUrl, root, ca: issuing }
        peerIds.push((await enrol(asking, { ...of, leaf: { notAfter: notAfter() } })).id)
      }
      const { token, sha256 } = makeToken()
      await storeUserToken(database.app, { tenantId, userId: ownerUserId, sha256, expiresAt: null })
      return { token, peerIds }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A list that nobody asked for before, so that none comes from memory. */
export function askOf(token: string, source: string, limit: number): Call {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  return { method: 'POST', path: '/api/query/list/tasks', headers, body: JSON.stringify({ source, limit }) }
}
