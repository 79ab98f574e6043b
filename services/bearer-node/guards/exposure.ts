import { guard } from '../../shared/guard.ts'
import type { Config, ListenConfig } from '../config.ts'
import { type AddressClass, classOf } from '../exposure/address-class.ts'
import { TOKEN_FILE_VARIABLE } from '../settings.ts'
import { type Judged, mistaken } from './refused-start.ts'

interface Exposed extends Judged {
  readonly config: Pick<Config, 'listen' | 'proxies' | 'auth'>
  readonly hasToken: boolean
  /** What is told of listeners that pass. */
  readonly told: string[]
}

const FAR: Readonly<Record<AddressClass, string>> = {
  loopback: 'on this machine alone',
  private: 'from a private network',
  exposed: 'from anywhere',
}

/** Every listener, and at each first whether what it carries can be read, then whether everybody is let in. */
export const bearerExposure = guard<Exposed>('bearer.exposure', ['plaintext_exposed', 'open_exposed'], (exposed) => {
  const { config, hasToken, told } = exposed
  for (const listener of config.listen) {
    const place = placeOf(listener)
    const reach = classOf(listener.address)
    if (listener.tls === undefined && reach === 'exposed') {
      const way = 'give it tls, or listen on a loopback or private address'
      return mistaken(exposed, 'plaintext_exposed', `${place} is plain HTTP, and reached ${FAR[reach]}; ${way}`)
    }
    if (!hasToken && mayNotBeOpen(reach, config)) {
      const way = `give a token (${TOKEN_FILE_VARIABLE}), or listen on a loopback address`
      return mistaken(exposed, 'open_exposed', `${place} is open to everybody, and reached ${FAR[reach]}; ${way}`)
    }
    if (listener.tls === undefined && reach === 'private') {
      told.push(`${place} is plain HTTP: the token crosses the network in clear; give it tls`)
    }
    if (!hasToken) told.push(`${place} asks for no token: everybody who reaches it, ${FAR[reach]}, is let in`)
  }
  return undefined
})

/** Who is behind a proxy, or asked for authentication, is no trusted LAN. */
function mayNotBeOpen(reach: AddressClass, { proxies, auth }: Exposed['config']): boolean {
  if (reach === 'exposed') return true
  return reach === 'private' && (proxies.length > 0 || auth.require)
}

function placeOf({ address, port }: ListenConfig): string {
  return `listen ${address.includes(':') ? `[${address}]` : address}:${port}`
}
