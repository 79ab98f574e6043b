import { guard } from '../../shared/guard.ts'
import { HOST_REASONS, hostRefusal } from '../../shared/own-host.ts'
import type { CallContext } from '../call-context.ts'

/** A call of the local API that was meant for another host is no call of ours. */
export const localHost = guard<CallContext>('local.host', HOST_REASONS, ({ request, host }) =>
  hostRefusal(request, [host]),
)
