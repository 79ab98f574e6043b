import { certificateNaming, namesAloneIn, operatorsIn } from '../credentials/certificate/checks.ts'
import { callerOf, holderOf } from '../topology/holders.ts'
import type { Plan, PlanNode, PlanUnit } from '../topology/plan.ts'
import type { Family } from './attack.ts'

/** Where an attack can be tried: an action of a unit, or the unit itself. */
export interface AttackTarget {
  /** `node-a peering:connect`, or `node-a` for what is about the unit and none of its actions. */
  readonly name: string
  readonly node: string
  readonly host: string
  /** Trust domain of the node. */
  readonly domain: string
  readonly unit: string
  /** For the unit itself: an action that shows whether it works. */
  readonly action: string
  /** A credential of the plan that is accepted there, and the node that holds it. */
  readonly credential: string
  readonly from: string
  readonly surfaces: ReadonlySet<string>
  /** Targets of the same text are judged by the same code in the same order: one of them is enough. */
  readonly likeness: string
}

/** Surfaces that are nobody's own: they follow from a plan, as `takes:KIND`, `checks:CHECK` and `speaks:PROTOCOL` do, or mark what is left open. */
export const commonSurfaces = {
  tls: 'an action that is asked for in HTTP over TLS, as an upgrade too',
  get: 'an action that is a GET',
  'client-certificate': 'an action whose listener asks for a client certificate, or demands one',
  'client-authentication':
    'an action whose listener only asks for a certificate, and whose handler takes the caller for a client by it (RFC 8705 section 2)',
  'operators-alone':
    'an action whose caller is judged by the name in its certificate and nothing else, which is forbidden to all others',
  'certificate-alone':
    'such an action at which all others are asked for something else, of which nothing is good there',
  'certificate-header':
    'an action whose program finds the certificate of the caller in a header, as something in front of it ends TLS',
  'forwarded-client-cert':
    'such an action whose header has the form of Envoy: elements with a hash, a subject and so on',
  'behind-proxy': 'an action whose program others can reach past its proxy, and must hear nobody but that',
  'strict-verifier': 'a unit that refuses what the standards leave to it, as the reference nodes do',
  'two-issuers': 'a site with a trust domain and an issuer beside those of the target',
  'movable-clock': 'a site whose clocks can be moved',
} as const satisfies Family['surfaces']

const ofActions =
  /^(takes:.*|checks:.*|speaks:.*|tls|get|client-certificate|client-authentication|operators-alone|certificate-alone|certificate-header|forwarded-client-cert|behind-proxy)$/

/** Whether an attack is one on an action; else it is one on a unit. */
export function isOnAction(needs: readonly string[]): boolean {
  return needs.some((need) => ofActions.test(need))
}

/** Every target of a topology, in the order of its nodes. `clock`: whether the clocks of the site can be moved. */
export function targetsOf(plan: Plan, options: { clock?: 'movable' } = {}): AttackTarget[] {
  const site = ofSite(plan, options)
  return Object.values(plan.nodes).flatMap((node) => node.units.flatMap((unit) => targetsAt(plan, node, unit, site)))
}

function targetsAt(plan: Plan, node: PlanNode, unit: PlanUnit, site: readonly string[]): AttackTarget[] {
  const { surfaces: ofUnit = [] } = unit
  const { name, host, domain } = node
  const likeness = [unit.kind, unit.program].join(' ').trimEnd()
  const onActions = Object.entries(unit.actions ?? {}).flatMap(
    ([action, { listener, alike = action }]): AttackTarget[] => {
      const accepted = acceptedAt(plan, name, unit, action)
      if (accepted === undefined) return []
      const order = unit.verification?.[action]?.checks.flatMap((check) =>
        check.settles ? [] : `${check.guard} ${check.reason}`,
      )
      return [
        {
          ...accepted,
          ...{ name: `${name} ${action}`, node: name, host, domain, unit: unit.name, action },
          surfaces: new Set([...ofAction(plan, unit, action, accepted.credential), ...ofUnit, ...site]),
          likeness: JSON.stringify([likeness, listener, order ?? alike]),
        },
      ]
    },
  )
  const [first] = onActions
  if (first === undefined || ofUnit.length === 0) return onActions
  const itself = { ...first, name, surfaces: new Set([...ofUnit, ...site]), likeness }
  return [...onActions, itself]
}

/** Whom the topology accepts for an action, or the kind says to be accepted; else an operator, where those are. */
function acceptedAt(plan: Plan, node: string, unit: PlanUnit, action: string) {
  const accepted = plan.accepts.find((one) => one.target === node && one.action === action)
  if (accepted !== undefined) return { credential: accepted.credential, from: callerOf(plan, accepted) }
  const told = unit.actions?.[action]?.accepted
  const found =
    told === undefined ? certificateNaming(plan, operatorsIn(unit.verification?.[action])) : plan.credentials[told]!
  return found && { credential: found.name, from: holderOf(found) }
}

function ofAction(plan: Plan, unit: PlanUnit, action: string, credential: string): string[] {
  const { listener, carrier, request } = unit.actions![action]!
  const listeners = unit.service?.listeners ?? []
  const {
    clientCertificate = 'none',
    protocol,
    certificateHeader,
  } = listeners.find(({ name }) => name === listener) ?? {}
  const ofClients = unit.surfaces?.includes('token-endpoint') === true
  const named = namesAloneIn(unit.verification?.[action])
  const surfaces = {
    [`takes:${plan.credentials[credential]?.kind}`]: carrier !== 'none',
    tls: protocol === 'https' || protocol === 'wss',
    'client-certificate': clientCertificate !== 'none',
    'certificate-header': certificateHeader !== undefined,
    'forwarded-client-cert': certificateHeader?.encoding === 'xfcc',
    'behind-proxy': listeners.some(({ behind }) => behind === listener),
    'client-authentication': ofClients && clientCertificate === 'requested' && carrier === 'none',
    'operators-alone': named?.error === 'forbidden',
    'certificate-alone': named?.status === 401 && named.error === null,
    [`speaks:${Object.keys(request)[0]}`]: true,
    get: (Object.values(request)[0] as { method?: string } | undefined)?.method === 'GET',
  }
  const checks = unit.verification?.[action]?.checks.map(({ check }) => `checks:${check}`) ?? []
  return [...Object.keys(surfaces).filter((surface) => surfaces[surface]), ...checks]
}

function ofSite(plan: Plan, { clock }: { clock?: 'movable' }): string[] {
  const issuers = Object.values(plan.trustDomains).filter(({ issuer }) => issuer !== undefined)
  return [...(issuers.length > 1 ? ['two-issuers'] : []), ...(clock === 'movable' ? ['movable-clock'] : [])]
}
