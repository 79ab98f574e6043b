import { guard } from '../../shared/guard.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import { readTlsMaterial, type TlsMaterial } from '../../shared/tls-listener.ts'
import { type Configuration, nodeName } from '../config.ts'

/** The start on its way: the materials are set when the configuration passed. */
export interface Start {
  configuration: Configuration
  materials?: Materials
  message?: string
}

export interface Materials {
  /** Trusts the own CA only. */
  own: TlsMaterial
  /** Trusts the roots of all configured trust domains. */
  all: TlsMaterial
}

/** Reads certificates, keys and anchors of a configuration. Throws `StartFailure`. */
export function readMaterials({ tls, trustDomain, trustDomains }: Configuration): Materials {
  const anchors: Record<string, string> = { [trustDomain]: tls.ca }
  const own = readTlsMaterial({ cert: tls.cert, key: tls.key, anchors })
  for (const [name, { ca }] of Object.entries(trustDomains)) anchors[name] = ca
  return { own, all: readTlsMaterial({ cert: tls.cert, key: tls.key, anchors }) }
}

export const startConfig = guard<Start>('start.config', ['config_invalid'], (start) => {
  const { configuration } = start
  try {
    start.materials = readMaterials(configuration)
    const host = new URL(configuration.issuer).hostname
    if (start.materials.own.leaf.checkHost(host, { subject: 'never' }) === undefined) {
      throw new StartFailure(
        'config_invalid',
        `${configuration.tls.cert} has no DNS SAN for ${host}, the host of issuer; ${nodeName(configuration)} needs a certificate for it`,
      )
    }
    return undefined
  } catch (failure) {
    if (!(failure instanceof StartFailure)) throw failure
    start.message = failure.message
    return { reason: failure.reason, status: null }
  }
})
