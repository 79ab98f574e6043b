import { boundToken } from '../../../credentials/bound-token/declared.ts'
import { certificate } from '../../../credentials/certificate/declared.ts'
import { natsCreds } from '../../../credentials/nats-creds/declared.ts'
import { compile } from '../../../shipped.ts'
import { mistakesIn } from '../../../topology/fixtures/mistakes-in.ts'
import type { Plan, PlanUnit } from '../../../topology/plan.ts'
import type { TopologyDeclaration } from '../../../topology/schema.ts'
import { orchestrator } from '../../orchestrator/index.ts'
import { stepCa } from '../../step-ca/index.ts'
import { brokerOf } from '../../testing/broker.ts'
import { credsIntake } from '../index.ts'

const permissions = { publish: ['work.>'], subscribe: [] }

const broker = brokerOf({ 'WORKLOAD/orchestrator_user': { file: 'orchestrator_auth.creds', permissions } })

interface Changes {
  /** Settings of the two units of the node. */
  readonly intake?: object
  readonly orchestrator?: object
  readonly handover?: object
}

/** A node that commands hosts over a broker with credentials that are handed over to it. */
export function commandPost({ intake, orchestrator: own, handover }: Changes = {}): TopologyDeclaration {
  const node = (name: string, units: object) => ({ host: `${name}.test`, domain: 'org', units })
  const enrolled = (holder: string, subject?: string) => {
    return { kind: 'certificate', issuer: 'ca', lifetime: '10m', holder, handover: 'enrol', subject }
  }
  const messaging = { server: 'nats-1', hosts: ['host-1'] }
  const settings = { messaging, operators: ['operator.test'], ...own }
  return {
    name: 'command-post',
    summary: 'a broker and one who commands hosts over it',
    trustDomains: { org: { ca: 'ca' } },
    nodes: {
      ca: node('ca', { ca: { kind: 'step-ca' } }),
      'nats-1': node('nats-1', { broker: { kind: 'broker' } }),
      post: node('post', {
        'creds-intake': { kind: 'creds-intake', settings: { from: 'creds', ...intake } },
        orchestrator: { kind: 'orchestrator', settings },
      }),
    },
    credentials: {
      'cert-post': enrolled('post'),
      operator: enrolled('post', 'operator.test'),
      creds: {
        ...{ kind: 'nats-creds', issuer: 'nats-1', operator: 'HOLO', users: ['WORKLOAD/orchestrator_user'] },
        ...{ holder: 'post', handover: { method: 'copy', ...handover } },
      },
    },
    accepts: [
      { target: 'nats-1', action: 'nats:connect', credential: 'creds' },
      { target: 'post', action: 'commands:write', credential: 'operator' },
    ],
  } as unknown as TopologyDeclaration
}

const kinds = new Map([broker, stepCa, orchestrator, credsIntake].map((kind) => [kind.name, kind]))

export function planOf(changes?: Changes): Plan {
  return compile(commandPost(changes), { kinds, credentialKinds: [certificate, boundToken, natsCreds] })
}

/** A unit of the node that commands. */
export function unitOf(name: string, changes?: Changes): PlanUnit & { json: Record<string, unknown> } {
  const unit = planOf(changes).nodes.post!.units.find((one) => one.name === name)!
  return { ...unit, json: unit.files[0]!.json as Record<string, unknown> }
}

export function mistakesOf(changes: Changes): string[] {
  return mistakesIn(() => planOf(changes)).map(({ message }) => message)
}
