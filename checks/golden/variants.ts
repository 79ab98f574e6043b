/** A shipped topology with parameters: each variant is a folder beside this file. */
interface Variant {
  readonly name: string
  readonly topology: string
  readonly set: Readonly<Record<string, string>>
}

/** The defaults, and every parameter away from its default at least once, in topologies that are as small as that allows. */
export const variants: readonly Variant[] = [
  { name: 'federation', topology: 'federation', set: {} },
  {
    name: 'federation-own-cas',
    topology: 'federation',
    set: { askers: '2', caPerGateway: 'true', leafSeconds: '45', overlapSeconds: '5', certificateLifetime: '24h' },
  },
  { name: 'nats-orchestrator', topology: 'nats-orchestrator', set: {} },
  { name: 'nats-orchestrator-plain', topology: 'nats-orchestrator', set: { callout: 'false' } },
  {
    name: 'nats-orchestrator-plain-two',
    topology: 'nats-orchestrator',
    set: { callout: 'false', hosts: '2', validation: 'jwks', certificateLifetime: '5m', userLifetime: '2h' },
  },
  { name: 'separate-auth', topology: 'separate-auth', set: {} },
  {
    name: 'separate-auth-three',
    topology: 'separate-auth',
    set: { orgs: '3', validation: 'introspection', certificateLifetime: '5m', tokenLifetime: '7m' },
  },
  { name: 'shared-auth', topology: 'shared-auth', set: {} },
  { name: 'shared-auth-three', topology: 'shared-auth', set: { nodes: '3', certificateLifetime: '5m' } },
  { name: 'shared-auth-jwks', topology: 'shared-auth', set: { validation: 'jwks', tokenLifetime: '7m' } },
  { name: 'shared-auth-introspection', topology: 'shared-auth', set: { validation: 'introspection' } },
  { name: 'transit', topology: 'transit', set: {} },
  {
    name: 'transit-shared-four',
    topology: 'transit',
    set: {
      ...{ auth: 'shared', hops: '4', validation: 'jwks', renewal: 'on', holdTime: '20s' },
      ...{ certificateLifetime: '5m', nodeCertificateLifetime: '2m', tokenLifetime: '7m' },
    },
  },
]
