import type { NatsUser } from '../../credentials/nats-creds/planned.ts'

/** What a host may that is let in with a token, which is the tag. */
export const admitted = {
  publish: [
    ...['WORKLOAD.{{tag(host)}}.status', 'INVENTORY.{{tag(host)}}.>'],
    ...['INFO', 'MSG.NEXT'].map((verb) => `$JS.API.CONSUMER.${verb}.WORKLOAD.{{tag(host)}}`),
    ...['$JS.ACK.WORKLOAD.{{tag(host)}}.>', '$SYS.REQ.USER.INFO'],
  ],
  subscribe: ['_INBOX.{{tag(host)}}.>'],
}

/**
 * The users that are handed over, and what each may do. It stands here once more, apart from the program that makes them: so that
 * credentials which may more than they should are found.
 */
export const handedOver: Readonly<Record<string, NatsUser>> = {
  'ADMIN/admin_user': {
    file: 'admin_user.creds',
    inbox: '_INBOX.admin',
    permissions: {
      publish: ['ADMIN.>', 'WORKLOAD.>', 'INVENTORY.>', '$SYS.REQ.USER.INFO'],
      subscribe: ['ADMIN.>', 'WORKLOAD.>', 'INVENTORY.>', '_INBOX.admin.>'],
    },
  },
  'WORKLOAD/orchestrator_user': {
    file: 'orchestrator_auth.creds',
    inbox: '_INBOX.orchestrator',
    permissions: {
      publish: [
        'WORKLOAD.*.cmd.>',
        ...['CREATE', 'UPDATE', 'INFO'].map((verb) => `$JS.API.STREAM.${verb}.WORKLOAD`),
        ...['CREATE', 'INFO', 'DELETE'].map((verb) => `$JS.API.CONSUMER.${verb}.WORKLOAD.>`),
        '$SYS.REQ.USER.INFO',
      ],
      subscribe: ['WORKLOAD.*.status', 'INVENTORY.>', '_INBOX.orchestrator.>'],
    },
  },
  // Who shows these to the broker is asked for more.
  'AUTH/auth_guard': { file: 'auth_guard.creds', permissions: { publish: [], subscribe: [] }, hasNoRole: true },
}
