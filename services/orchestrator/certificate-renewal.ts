import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { createIssuerClient } from '../shared/issuer-client.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { dnsNames } from '../shared/peer-certificate.ts'
import type { TlsMaterial } from '../shared/tls-material.ts'
import { renewAt } from './own-certificates.ts'

export interface RenewalOptions {
  /** Where step-ca renews: `POST` over mutual TLS with the certificate that is to be renewed. */
  readonly url: string
  /** PEM roots that the CA's own certificate must chain to. */
  readonly anchors: () => readonly string[]
  readonly newest: () => TlsMaterial
  readonly localAddress?: string
  readonly log: Log
  /** The new chain, leaf first, for the same key. The next look is taken when this has settled. */
  onRenewed(renewed: Pick<TlsMaterial, 'certificate' | 'leaf'>): Promise<void>
  /** With every look at the clock. */
  onGlance(): void
}

/** Clocks jump, timers do not: so the time is looked at, and not waited for. */
const GLANCE_MS = 500
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000

const answerSchema = z.object({ certChain: z.array(z.string().includes('BEGIN CERTIFICATE')).min(1).max(8) })

/** Renews our certificate at two thirds of its life, and tries again with back-off for as long as that fails. */
export function startRenewal(options: RenewalOptions): { close(): void } {
  const { log } = options
  const identity = () => ({ ca: options.anchors(), cert: options.newest().certificate, key: options.newest().key })
  const client = createIssuerClient(identity, options.localAddress)
  let failures = 0
  let isBusy = false
  let notBefore = 0

  const renew = async (): Promise<void> => {
    isBusy = true
    try {
      client.renew()
      const { status, body } = await client.postForm(options.url, {})
      if (status !== 200 && status !== 201) throw new Error(`${options.url} answered ${status}`)
      await options.onRenewed(renewedFrom(body, options.newest()))
      failures = 0
    } catch (failure) {
      notBefore = performance.now() + Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS)
      failures += 1
      log.warn('renewal-failed', failureFields(failure))
    }
    isBusy = false
  }
  const timer = setInterval(() => {
    options.onGlance()
    if (!isBusy && performance.now() >= notBefore && Date.now() >= renewAt(options.newest())) void renew()
  }, GLANCE_MS).unref()
  return {
    close() {
      clearInterval(timer)
      client.close()
    },
  }
}

/** Whatever the CA says: it must be a certificate for our key and our names that lasts longer than the one before. */
function renewedFrom(body: string, before: TlsMaterial): Pick<TlsMaterial, 'certificate' | 'leaf'> {
  const { certChain } = answerSchema.parse(JSON.parse(body))
  const certificate = certChain.map((block) => block.trim()).join('\n')
  const leaf = new X509Certificate(certChain[0] as string)
  if (!leaf.publicKey.equals(before.leaf.publicKey)) throw new Error('the renewed certificate is for another key')
  if (dnsNames(leaf).join() !== dnsNames(before.leaf).join()) {
    throw new Error('the renewed certificate is for other names')
  }
  if (leaf.validToDate <= before.leaf.validToDate) throw new Error('the renewed certificate ends no later')
  return { certificate: `${certificate}\n`, leaf }
}
