import { guard, type Refusal } from '../../shared/guard.ts'
import type { UpgradeContext } from '../call-context.ts'
import { PATH, SUBPROTOCOL } from '../wire.ts'

/** The upgrade request itself (RFC 6455 section 4.2.1), and that it was meant for this host (RFC 9110 section 7.4). */
export const peerUpgrade = guard<UpgradeContext>(
  'peer.upgrade',
  ['upgrade_invalid', 'host_mismatch'],
  ({ request, isUpgrade, host, connection }): Refusal | undefined => {
    const path = (request.url ?? '').split('?', 1)[0]
    if (path !== PATH) return { reason: 'upgrade_invalid', status: 404, error: 'not_found' }
    if (request.method !== 'GET') return { reason: 'upgrade_invalid', status: 400, error: 'invalid_request' }
    const { upgrade, 'sec-websocket-version': version, 'sec-websocket-key': key } = request.headers
    if (!isUpgrade || upgrade?.toLowerCase() !== 'websocket' || version !== '13') {
      return { reason: 'upgrade_invalid', status: 426, error: 'upgrade_required' }
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
    if (!/^[+/0-9A-Za-z]{22}==$/.test(String(key)) || !offered.includes(SUBPROTOCOL)) {
      return { reason: 'upgrade_invalid', status: 400, error: 'invalid_request' }
    }
    // RFC 9112 section 3.2. Node keeps the first of two and says nothing.
    if (request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host').length > 1) {
      return { reason: 'upgrade_invalid', status: 400, error: 'invalid_request' }
    }
    const port = connection.socket.localPort
    const named = request.headers.host?.toLowerCase()
    if (named !== host && named !== `${host}:${port}`) {
      return { reason: 'host_mismatch', status: 421, error: 'misdirected_request' }
    }
    return undefined
  },
)
