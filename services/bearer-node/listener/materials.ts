import { readFileSync, statSync } from 'node:fs'
import { readAnchors, readTlsMaterial, type TlsMaterial } from '../../shared/tls-material.ts'
import type { Config } from '../config.ts'

/** `missing`: it waits for its certificate, and does not listen, least of all without it. */
export type Material = TlsMaterial | 'plain' | 'missing'

/** What a node presents, and by which roots it judges, where it calls others. PEM. */
export interface Outgoing {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Trust domain of roots that are named for proxies; of those that are for peers, too, it is `peers`. */
export const PROXIES = 'proxies'
const PEERS = 'peers'

/** Reads what listeners present, in the order of the configuration, and by which roots they know proxies. @throws StartFailure */
export function readMaterials(config: Pick<Config, 'listen' | 'caFile'>): Material[] {
  return config.listen.map(({ tls }) => {
    if (tls === undefined) return 'plain'
    if (certificateFiles(tls).some((file) => statSync(file, { throwIfNoEntry: false }) === undefined)) return 'missing'
    const anchors = {
      ...(tls.clientCaFile !== undefined && { [PROXIES]: tls.clientCaFile }),
      ...(config.caFile !== undefined && { [PEERS]: config.caFile }),
    }
    return readTlsMaterial({ cert: tls.certFile, key: tls.keyFile, anchors })
  })
}

/** For calls to peers: the certificate of the first listener that has one. @throws StartFailure */
export function readOutgoing({ caFile }: Pick<Config, 'caFile'>, materials: readonly Material[]): Outgoing | undefined {
  const own = materials.find((material) => typeof material === 'object')
  if (caFile === undefined && own === undefined) return undefined
  if (caFile !== undefined) readAnchors(caFile)
  return {
    ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
    ...(own !== undefined && { cert: own.certificate, key: own.key }),
  }
}

/** What a certificate authority still has to give. */
export function certificateFiles({ certFile, keyFile }: { certFile: string; keyFile: string }): string[] {
  return [certFile, keyFile]
}
