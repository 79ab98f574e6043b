import { z } from 'zod'
import type { NatsOperator } from '../../credentials/nats-creds/planned.ts'
import { defineKind } from '../../topology/kind.ts'

/** A broker that makes credentials of these users, as far as a plan shows one. */
export const brokerOf = (users: NatsOperator['users']) =>
  defineKind({
    name: 'broker',
    summary: 'makes users, and is logged in to by them',
    settings: z.strictObject({}),
    plan: () => ({
      summary: 'makes users',
      files: [],
      service: {
        ready: { tcp: { port: 4222 } },
        listeners: [{ name: 'nats', port: 4222, protocol: 'tcp', clientCertificate: 'required' }],
      },
      actions: { 'nats:connect': { summary: 'logs in', listener: 'nats', carrier: 'bearer', request: { nats: {} } } },
    }),
    offers: {
      'nats-creds': ({ unit }) => ({
        ...{ operator: 'HOLO', folder: (name) => `@{dir}/units/${unit}/out/${name}` },
        users,
      }),
    },
  })
