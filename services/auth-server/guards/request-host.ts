import type { IncomingMessage } from 'node:http'
import { guard } from '../../shared/guard.ts'
import { HOST_REASONS, hostRefusal } from '../../shared/own-host.ts'

export interface HostRequest {
  request: IncomingMessage
  /** Of the issuer, with and without its port. */
  hosts: readonly string[]
}

export const requestHost = guard<HostRequest>('request.host', HOST_REASONS, ({ request, hosts }) =>
  hostRefusal(request, hosts),
)
