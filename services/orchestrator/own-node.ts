import type { DecisionLog } from '../shared/decision-log.ts'
import type { Log } from '../shared/log.ts'
import type { TlsListenerOptions } from '../shared/tls-listener.ts'
import type { CallRecorder } from './call-record.ts'
import type { Configuration } from './config.ts'
import { peerTls } from './guards/peer-tls.ts'
import type { Material } from './material.ts'
import type { OwnCertificates } from './own-certificates.ts'
import type { Store } from './store.ts'

/** What every kind of work on this node shares. */
export interface OwnNode<Of extends Configuration = Configuration> {
  readonly configuration: Of
  readonly certificates: OwnCertificates
  /** As it was read last. */
  readonly material: () => Material
  readonly store: Store
  readonly decisions: DecisionLog
  readonly recorder: CallRecorder
  readonly log: Log
  /** Where our own calls come from. */
  readonly localAddress: string | undefined
}

/** At each listener the caller proves a certificate, and the gate judges it. */
export function listenerOf({ configuration, decisions }: OwnNode) {
  return {
    clientCertificate: 'required',
    gate: peerTls,
    decisions,
    target: configuration.node,
    maxHandshakes: configuration.limits.handshakes,
    handshakeRecordsPerMinute: configuration.limits.handshakeRecords,
  } satisfies Partial<TlsListenerOptions>
}
