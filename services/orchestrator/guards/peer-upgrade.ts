import { guard, type Refusal } from '../../shared/guard.ts'
import { HOST_REASONS, hostRefusal } from '../../shared/own-host.ts'
import type { UpgradeContext } from '../call-context.ts'
import { PATH, SUBPROTOCOL } from '../wire.ts'

/** RFC 9110 section 5.6.2: each subprotocol is one, and stands once (RFC 6455 section 4.1). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** The upgrade request itself (RFC 6455 section 4.2.1), and that it was meant for this host (RFC 9110 section 7.4). */
export const peerUpgrade = guard<UpgradeContext>(
  'peer.upgrade',
  ['upgrade_invalid', ...HOST_REASONS],
  ({ request, isUpgrade, host }): Refusal | undefined => {
    // A target in absolute form is meant for us as well (RFC 9112 section 3.2.2), if its host is ours, which is looked at below.
    const path = (request.url ?? '').replace(/^https:\/\/[^/?#]+/i, '').split('?', 1)[0]
    if (path !== PATH) return { reason: 'upgrade_invalid', status: 404, error: 'not_found' }
    if (request.method !== 'GET') return { reason: 'upgrade_invalid', status: 400, error: 'invalid_request' }
    const { upgrade, 'sec-websocket-version': version, 'sec-websocket-key': key } = request.headers
    if (!isUpgrade || upgrade?.toLowerCase() !== 'websocket' || version !== '13') {
      return { reason: 'upgrade_invalid', status: 426, error: 'upgrade_required' }
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
    // What is malformed would be refused by ws, when it stands on record as accepted.
    const isList = offered.every((protocol) => TOKEN.test(protocol)) && new Set(offered).size === offered.length
    if (!/^[+/0-9A-Za-z]{22}==$/.test(String(key)) || !isList || !offered.includes(SUBPROTOCOL)) {
      return { reason: 'upgrade_invalid', status: 400, error: 'invalid_request' }
    }
    return hostRefusal(request, [host])
  },
)
