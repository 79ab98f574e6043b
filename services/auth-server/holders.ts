import type { PeerCertificate } from '../shared/tls-listener.ts'
import type { Holder } from './model.ts'

/** What a handshake proved: this client holds the key of this certificate. */
export function holderOf(clientId: string, certificate: PeerCertificate): Holder {
  const seconds = (date: Date): number => Math.floor(date.getTime() / 1000)
  return {
    clientId,
    x5t: certificate.x5t,
    notBefore: seconds(certificate.notBefore),
    notAfter: seconds(certificate.notAfter),
    sans: [...certificate.sans],
    provenAt: seconds(new Date()),
  }
}
