// #region kind
import { fileURLToPath } from 'node:url'
import { defineKind } from 'holdfast'
import { z } from 'zod'

const settings = z
  .strictObject({
    certificate: z.string().describe('The certificate credential that it serves.'),
    friends: z.array(z.string()).min(1).describe('Nodes that it greets.'),
    port: z.int().min(1).max(65_535).default(9500).describe('Port of its greetings.'),
  })
  .describe('Greets callers whose certificate names a friend.')

export const greeter = defineKind({
  name: 'greeter',
  summary: 'greets callers whose certificate names a friend',
  settings,
  plan(unit) {
    const { friends, port } = unit.settings
    const { path } = unit.credential(unit.settings.certificate) // waits for the certificate
    const ca = unit.anchor(unit.domain) // asks for the root, and waits for it
    for (const friend of friends) {
      if (!(friend in unit.topology.nodes)) unit.mistake('settings.friends', `names "${friend}", which is no node`)
    }
    return {
      summary: `greeter of ${unit.node}`,
      files: [
        {
          path: '@{unit}/greeter.json',
          json: {
            node: unit.node,
            listen: `@{address}:${port}`,
            cert: `${path}/cert.pem`,
            key: `${path}/key.pem`,
            ca,
            friends: friends.map((friend) => unit.topology.nodes[friend]?.host),
            decisionLog: '@{unit}/decisions.jsonl',
          },
        },
      ],
      service: {
        command: { program: { script: program }, args: ['@{unit}/greeter.json'] },
        ready: { http: { url: `https://${unit.host}:${port}/healthz`, tls: { ca }, expect: [200] } },
        listeners: [{ name: 'greetings', port, protocol: 'https', clientCertificate: 'requested' }],
        decisionLog: '@{unit}/decisions.jsonl',
      },
    }
  },
  actions: {
    'greeter:greet': {
      summary: 'be greeted',
      listener: 'greetings',
      carrier: 'none', // the certificate alone authorises
      request: { http: { method: 'GET', path: '/greeting', expect: [200] } },
    },
  },
  guards: { 'greeter.caller': ['cert_untrusted', 'not_a_friend'] },
})

const program = fileURLToPath(new URL('greeter.mjs', import.meta.url))
// #endregion
