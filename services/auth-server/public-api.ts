import { methodOf } from '../shared/http-method.ts'
import type { Configuration } from './config.ts'
import type { Exchange } from './exchange.ts'
import { requestRoute } from './guards/request-route.ts'
import { tokenClient } from './guards/token-client.ts'
import type { KeyRing } from './keys.ts'
import { metadataOf } from './metadata.ts'

/** The public listener: what anybody may read. It asks for no client certificate, so no token is ever given out here. */
export function publicApi(configuration: Configuration, keys: KeyRing): (exchange: Exchange) => Promise<void> {
  const metadata = metadataOf(configuration)
  const routes: Record<
    string,
    { method: string; action: string; handle: (exchange: Exchange) => Promise<void> | void }
  > = {
    '/.well-known/oauth-authorization-server': {
      method: 'GET',
      action: 'metadata:read',
      handle: (exchange) => exchange.answer(200, metadata, { headers: { 'cache-control': 'max-age=60' } }),
    },
    '/jwks': {
      method: 'GET',
      action: 'jwks:read',
      handle: (exchange) =>
        exchange.answer(200, keys.jwks(), {
          headers: { 'cache-control': 'max-age=60', 'content-type': 'application/jwk-set+json' },
        }),
    },
    '/token': {
      method: 'POST',
      action: 'token:request',
      handle: (exchange) =>
        exchange.pass([tokenClient], { certificate: undefined, client: undefined, offersOtherMethod: false }),
    },
  }
  routes['/.well-known/openid-configuration'] = routes[
    '/.well-known/oauth-authorization-server'
  ] as (typeof routes)[string]

  return async (exchange) => {
    const route = Object.hasOwn(routes, exchange.url.pathname) ? routes[exchange.url.pathname] : undefined
    exchange.action = route?.action ?? 'unknown'
    const methods = route === undefined ? undefined : [route.method]
    await exchange.pass([requestRoute], { method: methodOf(exchange.request), methods })
    await route?.handle(exchange)
  }
}
