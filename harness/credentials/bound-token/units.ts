import { type Compilation, own } from '../../topology/compilation.ts'
import { durationSeconds } from '../../topology/duration.ts'
import { placeOf } from '../../topology/holders.ts'
import { oneshot, readerOf } from '../../topology/implicit-units.ts'
import { offerOf } from '../../topology/offers.ts'
import { anchorUnit } from '../../topology/paths.ts'
import type { MintRenewal, PlanUnit, UnitRef } from '../../topology/plan.ts'
import { handoverOf } from '../../topology/schema.ts'
import type { PlanBoundToken } from './planned.ts'

/** Share of a token's life after which it is minted anew. */
const renewAt = 0.8

/** A holder proves its certificates, and is given its tokens then. */
export function tokenUnits(compilation: Compilation, node: string, held: readonly PlanBoundToken[]): PlanUnit[] {
  return [...proveUnits(compilation, node, held), ...held.map((token) => mintUnit(compilation, node, token))]
}

function proveUnit(node: string, issuer: string): UnitRef {
  return `${node}/prove-${issuer}`
}

/** For each issuer, the oneshot in which a holder proves its certificates there. */
function proveUnits(compilation: Compilation, node: string, tokens: readonly PlanBoundToken[]): PlanUnit[] {
  const byIssuer = Map.groupBy(tokens, (token) => token.issuer)
  return [...byIssuer].map(([issuerNode, held]) => {
    const issuer = offerOf(compilation, 'bound-token', issuerNode)!
    const calls = new Map(held.map(({ mint }) => [JSON.stringify(mint.prove), mint.prove]))
    return oneshot(node, {
      ref: proveUnit(node, issuerNode),
      kind: 'prove',
      summary: `proves its certificate at ${issuerNode}`,
      after: [issuer.after, anchorUnit(node, issuer.domain), ...held.map(({ boundTo }) => `${node}/${boundTo}`)],
      steps: [...calls.values()].map((call) => ({ call })),
    })
  })
}

/** The oneshot in which a holder receives a token. */
function mintUnit(compilation: Compilation, node: string, token: PlanBoundToken): PlanUnit {
  const { name, issuer } = token
  const handover = handoverOf(compilation.topology.credentials[name]!)
  const { mode, group } = handover
  const owner = handover.owner ?? (group === undefined ? readerOf(compilation, node, name) : undefined)
  const { by } = offerOf(compilation, 'bound-token', issuer)!
  const { mint, member } = token.mint
  const renew: MintRenewal = { lifetimeSeconds: livesFor(compilation, token), at: renewAt }
  return oneshot(node, {
    ref: `${node}/${name}`,
    kind: 'mint',
    summary: `receives the token ${name} from ${issuer}`,
    after: [proveUnit(node, issuer)],
    steps: [
      {
        receive: {
          from: by === 'holder' ? node : issuer,
          source: { mint, member, renew },
          to: { path: placeOf(token), mode, owner, group },
        },
      },
    ],
  })
}

/** In seconds. A token never outlives the certificate that it is bound to. */
function livesFor({ topology }: Compilation, { boundTo, lifetimeSeconds }: PlanBoundToken): number {
  const certificate = own(topology.credentials, boundTo)
  if (certificate?.kind !== 'certificate') return lifetimeSeconds
  return Math.min(lifetimeSeconds, durationSeconds(certificate.lifetime))
}
