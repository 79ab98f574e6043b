import { fileURLToPath } from 'node:url'
import { defineKind } from 'holdfast'
import { z } from 'zod'

const port = 9700
const program = fileURLToPath(new URL('clubhouse.mjs', import.meta.url))

export const clubhouse = defineKind({
  name: 'clubhouse',
  summary: 'opens for whoever knows the secret of its club',
  settings: z.strictObject({
    secret: z.string().describe('The secret that it opens for.'),
    program: z.string().default(program).describe('The program that it runs.'),
  }),
  plan(unit) {
    const { secret, program } = unit.settings
    const { path } = unit.credential(`cert-${unit.node}`)
    const ca = unit.anchor(unit.domain)
    return {
      summary: `clubhouse of ${unit.node}`,
      files: [
        {
          path: '@{unit}/clubhouse.json',
          json: {
            node: unit.node,
            listen: `@{address}:${port}`,
            cert: `${path}/cert.pem`,
            key: `${path}/key.pem`,
            secret: unit.credential(secret).path, // waits for it
            decisionLog: '@{unit}/decisions.jsonl',
          },
        },
      ],
      service: {
        command: { program: { script: program }, args: ['@{unit}/clubhouse.json'] },
        ready: { http: { url: `https://${unit.host}:${port}/healthz`, tls: { ca }, expect: [200] } },
        listeners: [{ name: 'door', port, protocol: 'https', clientCertificate: 'none' }],
        decisionLog: '@{unit}/decisions.jsonl',
      },
      // #region verification
      verification: {
        'clubhouse:enter': {
          takes: [['bearer-secret']],
          checks: [
            { check: 'bearer-secret/presented', ...refuses, reason: 'secret_missing', error: null },
            {
              check: 'bearer-secret/matches',
              args: { secrets: [secret] },
              ...refuses,
              reason: 'secret_wrong',
              error: 'invalid_token',
            },
          ],
        },
      },
      // #endregion
    }
  },
  // #region action
  actions: {
    'clubhouse:enter': {
      summary: 'be let in',
      listener: 'door',
      carrier: 'bearer',
      request: { http: { method: 'GET', path: '/', expect: [200] } },
    },
  },
  // #endregion
  guards: { 'clubhouse.secret': ['secret_missing', 'secret_wrong'] },
})

const refuses = { guard: 'clubhouse.secret', layer: 'http', status: 401 } as const
