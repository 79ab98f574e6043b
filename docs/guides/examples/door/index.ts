import { fileURLToPath } from 'node:url'
import { defineKind } from 'holdfast'
import { z } from 'zod'

const port = 9600
const program = fileURLToPath(new URL('door.mjs', import.meta.url))

export const door = defineKind({
  name: 'door',
  summary: 'holds the door for certificates of its CA, and says nothing',
  settings: z.strictObject({}).describe('Holds the door for certificates of its CA.'),
  plan(unit) {
    const { path } = unit.credential(`cert-${unit.node}`)
    const ca = unit.anchor(unit.domain)
    return {
      summary: `door of ${unit.node}`,
      files: [
        {
          path: '@{unit}/door.json',
          json: {
            node: unit.node,
            listen: `@{address}:${port}`,
            cert: `${path}/cert.pem`,
            key: `${path}/key.pem`,
            ca,
            decisionLog: '@{unit}/decisions.jsonl',
          },
        },
      ],
      service: {
        command: { program: { script: program }, args: ['@{unit}/door.json'] },
        ready: { tcp: { port } },
        listeners: [{ name: 'door', port, protocol: 'tcp', clientCertificate: 'required' }],
        decisionLog: '@{unit}/decisions.jsonl',
      },
      // #region verification
      verification: {
        'door:enter': {
          takes: [['certificate']],
          checks: [
            { check: 'certificate/presented', ...ends, reason: 'cert_missing' },
            // Node is told the last fault of a certificate, and its time is looked at last.
            { check: 'certificate/not-expired', ...ends, reason: 'cert_expired' },
            { check: 'certificate/trusted', args: { anchors: [unit.domain] }, ...ends, reason: 'cert_untrusted' },
          ],
        },
      },
      // #endregion
    }
  },
  // #region action
  actions: {
    'door:enter': {
      summary: 'be let in',
      listener: 'door',
      carrier: 'none',
      request: { tls: { expect: 'silence' } },
    },
  },
  // #endregion
  guards: { 'door.tls': ['cert_missing', 'cert_untrusted', 'cert_expired'] },
})

/** Each check ends the connection, and nothing is answered. */
const ends = { guard: 'door.tls', layer: 'tls', status: null, error: null } as const
