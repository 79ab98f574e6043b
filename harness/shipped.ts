import { type Backend, UnknownBackend } from './backends/backend.ts'
import { machinesBackend } from './backends/machines/index.ts'
import { netnsBackend } from './backends/netns/index.ts'
import { processBackend } from './backends/process/index.ts'
import { vmBackend } from './backends/vm/index.ts'
import { bearerSecret } from './credentials/bearer-secret/declared.ts'
import { boundToken } from './credentials/bound-token/declared.ts'
import { certificate } from './credentials/certificate/declared.ts'
import type { CredentialKind } from './credentials/credential-kind.ts'
import { enrolmentToken } from './credentials/enrolment-token/declared.ts'
import { federationGrant } from './credentials/federation-grant/declared.ts'
import { jwk } from './credentials/jwk/declared.ts'
import { liveKindsOf } from './credentials/live-kind.ts'
import { natsCreds } from './credentials/nats-creds/declared.ts'
import { authCallout } from './kinds/auth-callout/index.ts'
import { authServer } from './kinds/auth-server/index.ts'
import { credsCopy } from './kinds/creds-copy/index.ts'
import { credsIntake } from './kinds/creds-intake/index.ts'
import { exec } from './kinds/exec/index.ts'
import { federationGateway } from './kinds/federation-gateway/index.ts'
import { hostAgent } from './kinds/host-agent/index.ts'
import { natsServer } from './kinds/nats-server/index.ts'
import { nginx } from './kinds/nginx/index.ts'
import { nscPush } from './kinds/nsc-push/index.ts'
import { nscRevoke } from './kinds/nsc-revoke/index.ts'
import { nscRotate } from './kinds/nsc-rotate/index.ts'
import { nscSetup } from './kinds/nsc-setup/index.ts'
import { oauthIssuer } from './kinds/oauth-issuer/index.ts'
import { orchestrator } from './kinds/orchestrator/index.ts'
import { postgres } from './kinds/postgres/index.ts'
import { stepCa } from './kinds/step-ca/index.ts'
import { http } from './protocols/http/index.ts'
import { nats } from './protocols/nats/index.ts'
import type { AnyProtocol, Protocols } from './protocols/spoken.ts'
import { tls } from './protocols/tls/index.ts'
import { websocket } from './protocols/websocket/index.ts'
import type { CallParts } from './site/call.ts'
import type { Kinds } from './topology/compilation.ts'
import { type CompileOptions, compile as compileWith } from './topology/compile.ts'
import type { LoadedTopology } from './topology/loaded-topology.ts'
import type { Plan } from './topology/plan.ts'
import type { TopologyDeclaration } from './topology/schema.ts'
import { type TrustGraph, trustGraph as trustGraphWith } from './trust/graph.ts'

// What comes with the harness. Whatever is added is a folder and a line here (families of attacks: shipped-families.ts); general code gets
// these lists as arguments.

const serviceKinds = [
  stepCa,
  authServer,
  oauthIssuer,
  orchestrator,
  exec,
  nscSetup,
  credsCopy,
  natsServer,
  nscPush,
  nscRotate,
  nscRevoke,
  credsIntake,
  authCallout,
  hostAgent,
  postgres,
  federationGateway,
  nginx,
]

/** Every service kind, by name. */
export const kinds: Kinds = new Map(serviceKinds.map((kind) => [kind.name, kind]))

/** Every credential kind. Units by which a node comes to its credentials stand in this order. */
export const credentialKinds: readonly CredentialKind[] = [
  certificate,
  boundToken,
  bearerSecret,
  natsCreds,
  jwk,
  federationGrant,
  enrolmentToken,
]

const allProtocols: readonly AnyProtocol[] = [http, websocket, tls, nats]

/** Every protocol, by name. */
export const protocols: Protocols = new Map(allProtocols.map((protocol) => [protocol.name, protocol]))

/** What calls are made and judged with. */
export async function callParts(): Promise<CallParts> {
  return { protocols, live: await liveKindsOf(credentialKinds) }
}

/** Every backend; the first is the default one. */
export const backends: readonly Backend[] = [processBackend, netnsBackend, vmBackend, machinesBackend]

/**
 * Checks a topology and turns it into a plan, with the kinds and protocols that come with the harness unless others are given.
 * Pure: nothing is read, started or resolved.
 *
 * @throws TopologyInvalid with every mistake of the topology, each with place and way out.
 */
export function compile(declared: LoadedTopology | TopologyDeclaration, options: Partial<CompileOptions> = {}): Plan {
  return compileWith(declared, { kinds, credentialKinds, protocols, ...options })
}

/** The trust graph of a plan: who issues what to whom, and who accepts it. Pure. */
export function trustGraph(plan: Plan): TrustGraph {
  return trustGraphWith(plan, credentialKinds)
}

/** A backend by its name. Default: the first. @throws UnknownBackend */
export function backend(name: string = backends[0]!.name): Backend {
  const found = backends.find((entry) => entry.name === name)
  if (found === undefined) throw new UnknownBackend(name, backends)
  return found
}
