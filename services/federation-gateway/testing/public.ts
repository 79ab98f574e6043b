import type { AddressInfo } from 'node:net'
import type { Decision } from '../../shared/decision-log.ts'
import { createPublicListener, type PublicRoute } from '../listeners/public-listener.ts'
import { Records } from '../listeners/records.ts'
import { type Answer, type Asking, ask, type Site } from './federation.ts'

// A public listener with some routes of its own, over a real connection.

export interface PublicSite extends AsyncDisposable {
  readonly decisions: Decision[]
  /** What it has written to its log, by event. */
  readonly events: string[]
  call(method: string, path: string, asking?: Omit<Asking, 'method'> & { readonly token?: string }): Promise<Answer>
}

/** Far more than a busy machine takes. */
const STORE_MS = 9_000

export async function openPublic(
  site: Site,
  routes: readonly PublicRoute[],
  { storeMs = STORE_MS } = {},
): Promise<PublicSite> {
  const [decisions, events]: [Decision[], string[]] = [[], []]
  const say = (event: string) => void events.push(event)
  const records = new Records({ record: (decision) => void decisions.push(decision), close() {} }, { error: say })
  const listener = createPublicListener({
    ...{ host: '127.0.0.1', port: 0, names: ['localhost'], node: 'gateway-b', material: site.material, records },
    ...{ log: { info: say, warn: say, error: say }, notReady: () => undefined, list: () => undefined, routes, storeMs },
  })
  await listener.listen()
  const base = `https://localhost:${(listener.server.address() as AddressInfo).port}`
  return {
    decisions,
    events,
    call: (method, path, { token, headers, ...asking } = {}) =>
      ask(`${base}${path}`, {
        ca: String(site.root.certificate),
        method,
        headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
        ...asking,
      }),
    [Symbol.asyncDispose]: () => listener.close(0),
  }
}

/** What the last request was refused for: guard, reason and the id of the record that says so. */
export function lastRefusal({ decisions }: PublicSite): string {
  const { guard, reason, verdict, status } = decisions.at(-1)!
  return `${verdict} ${status} ${guard} ${reason}`
}
