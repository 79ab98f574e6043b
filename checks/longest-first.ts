import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take longest, in their order. Without them vitest begins with the largest files, and those whose tests are derived are
 * small: what takes a minute would begin last, and all other workers would wait for it.
 */
export const longest: readonly string[] = [
  'harness/cli/one-cause.test.ts',
  'harness/backends/process/process.test.ts',
  'harness/backends/netns/netns.test.ts',
  'harness/cli/up.test.ts',
  'checks/own-ca.test.ts',
  'services/nats-setup/rotate.test.ts',
  'harness/cli/test.test.ts',
  'checks/gateway-example.test.ts',
  'harness/attacks/nats/nats.test.ts',
  'harness/backends/machines/machines.test.ts',
  'harness/cli/subtle.test.ts',
  'services/orchestrator/renewal.test.ts',
  'harness/cli/grounds.test.ts',
  'services/orchestrator/admission.test.ts',
  'harness/backends/machines/serve.test.ts',
  'harness/backends/process/agent-seats.test.ts',
  'harness/cli/up-in-namespaces.test.ts',
  'services/auth-callout/callout.test.ts',
  'harness/kinds/nats-server/companion.test.ts',
  'harness/cli/attack.test.ts',
  'services/nats-setup/push.test.ts',
  'services/host-agent/agent.test.ts',
  'services/orchestrator/messaging/messaging.test.ts',
  'harness/topology/shipped.test.ts',
  'services/auth-server/durability.test.ts',
  'harness/cli/commands.test.ts',
  'services/orchestrator/start.test.ts',
  'harness/topology/bad-input.test.ts',
  'checks/bootstrap.test.ts',
  'services/nats-setup/setup.test.ts',
  'checks/door-example.test.ts',
  'services/auth-server/token.test.ts',
  'harness/kinds/nats-server/nats-server.test.ts',
  'checks/running-issuer.test.ts',
  ...[
    'controls/liberties-of-the-standards-are-no-red',
    'peering/separate-auth-withstands-forged-tokens',
    'peering/separate-auth-withstands-forged-certificates',
    'nats/nats-orchestrator-refuses-the-rest',
    'peering/separate-auth-refuses-the-rest',
    'peering/shared-auth-refuses-the-rest',
    'nats/each-verification-step-can-fail',
    'nats/credentials-of-somebody-else-are-not-used',
    'nats/hosts-are-admitted-by-bound-tokens',
    'nats/admin-and-workload-are-separate',
    'nats/no-command-is-lost-or-comes-twice',
    'nats/units-start-in-their-order',
    'nats/ended-credentials-end-sessions',
    'nats/the-broker-refuses-for-its-own-reasons',
    'nats/handed-over-credentials-are-judged-first',
    'nats/nats-orchestrator-withstands-attacks',
    'nats/plain-nats-orchestrator-refuses-the-rest',
    'nats/only-whole-credentials-start-a-host',
    'peering/idle-sockets-keep-nobody-waiting',
    'controls/debian-gateways-under-attack',
    'controls/gateways-in-go-turn-red-for-their-own-fault',
    'controls/npm-gateways-under-attack',
    'controls/programs-behind-proxies-hear-nobody-else',
    'peering/separate-auth-withstands-strange-peers',
    'peering/transit-refuses-the-rest',
    'peering/token-lists-are-exact',
    'peering/outage-of-the-auth-server-admits-nobody',
    'peering/keys-outlive-no-set',
    'peering/key-rotation-ends-old-tokens',
    'peering/silence-ends-a-session',
    'peering/revocation-ends-tokens-and-sessions',
  ].map((folder) => `scenarios/${folder}/${folder.slice(folder.indexOf('/') + 1)}.scenario.ts`),
]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((file) => moduleId.endsWith(`/${file}`))
      return at === -1 ? longest.length : at
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}
