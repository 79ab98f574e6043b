import { failureFields, type Log } from '../../shared/log.ts'
import type { TlsMaterial } from '../../shared/tls-listener.ts'
import { watchFile } from '../../shared/watch-file.ts'
import { type Prepared, readMaterial } from '../start/prepare.ts'

/**
 * Hands on the certificate of both listeners and the CAs of clients whenever one of their files changes. What a start would refuse changes
 * nothing: of a pair that comes one after the other, the second brings both.
 */
export function watchServerCertificate(
  { configuration, federation }: Pick<Prepared, 'configuration' | 'federation'>,
  log: Pick<Log, 'info' | 'warn'>,
  onNew: (material: TlsMaterial) => void,
): { readonly read: () => Promise<void>; close(): void } {
  const { tls, clientCa, stepCa } = configuration
  const read = async (): Promise<void> => {
    try {
      const material = await readMaterial(configuration, federation?.ca.fingerprint)
      onNew(material)
      log.info('server-certificate-loaded', { notAfter: material.leaf.validToDate.toISOString() })
    } catch (failure) {
      log.warn('server-certificate-refused', failureFields(failure))
    }
  }
  const paths = [tls.cert, tls.key, clientCa ?? stepCa.rootCertPath].filter((path) => path !== undefined)
  const watches = paths.map((path) => watchFile(path, () => void read()))
  return { read, close: () => watches.forEach((watch) => void watch.close()) }
}
