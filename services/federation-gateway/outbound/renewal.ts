import type { LeafProblem } from '../enrolment/issued-leaf.ts'
import type { Keyring } from '../sealing/keyring.ts'
import { SealFailure } from '../sealing/keyring.ts'
import { type Database, undo } from '../storage/database.ts'
import { moveLocked } from '../storage/outbound-peers.ts'
import {
  dropKey,
  type KeyPlace,
  promotePending,
  readKey,
  type StoredKey,
  storePendingKey,
} from '../storage/peer-keys.ts'
import { StoreUnavailable } from '../storage/unavailable.ts'
import type { RenewAnswer } from '../wire/answers.ts'
import type { ConnectedPeer } from './connected-peer.ts'
import { type PeerTrust, takeCertificate } from './peer-certificate.ts'
import { FederationClientError } from './peer-client.ts'
import { newPeerKey, openPeerKey } from './peer-key.ts'

export interface RenewalDeps {
  readonly database: Database
  readonly keyring: Keyring
  /** Our own common name. */
  readonly publicName: string
  readonly oids: PeerTrust['oids']
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly signal: AbortSignal
}

/** `key`: the current one, with its certificate. `isRecovered`: the renewals before this one had failed. */
export type Renewal =
  | { readonly renewed: true; readonly key: StoredKey; readonly isRecovered: boolean }
  /** `renewal_busy`: another process is at it. `peer_ended`: there is no such peer any more that is called. */
  | { readonly renewed: false; readonly reason: string }

const UNPROCESSABLE = 422

/**
 * Renews the certificate of one peer over the one that it has: a new key, stored before its request is sent, so that after any crash the
 * same request goes out again, and the lender answers it with the same certificate. Never rejects for what a peer or the database did.
 *
 * @param keyId the key whose certificate is to be followed by another one
 */
export async function renewPeer(deps: RenewalDeps, peer: ConnectedPeer, keyId: string): Promise<Renewal> {
  try {
    const { peerId } = peer.caller
    const done = await deps.database.exclusively(`peer-renewal/${peerId}`, () => renewAlone(deps, peer, keyId))
    return done?.result ?? { renewed: false, reason: 'renewal_busy' }
  } catch (failure) {
    if (failure instanceof FederationClientError || failure instanceof StoreUnavailable) {
      return { renewed: false, reason: failure.code }
    }
    throw failure
  }
}

async function renewAlone(deps: RenewalDeps, peer: ConnectedPeer, keyId: string): Promise<Renewal> {
  const { tenantId, peerId } = peer.caller
  const place = { tenantId, peerId }
  const current = await readKey(deps.database, { ...place, slot: 'current' })
  if (current === undefined) return { renewed: false, reason: 'peer_ended' }
  // Another process has done it.
  if (current.id !== keyId) return { renewed: true, key: current, isRecovered: false }
  const pending = await pendingKey(deps, place)
  const answer = await ask(deps, peer, pending)
  const judged = judge(deps, peer, pending, answer)
  if (judged.problem !== undefined) {
    // The same request would be answered by the same certificate.
    await dropKey(deps.database, { ...place, slot: 'pending' })
    return { renewed: false, reason: `renewed_leaf_${judged.problem satisfies LeafProblem}` }
  }
  return deps.database.transaction(async (session) => {
    const moved = await moveLocked(session, { tenantId, id: peerId, event: 'renewed' })
    const key = moved.state && (await promotePending(session, place, judged.taken))
    if (key === undefined) return undo({ renewed: false, reason: 'peer_ended' })
    return { renewed: true, key, isRecovered: moved.state !== undefined && moved.changed }
  })
}

/** The one that waits, of an attempt before; a new one where there is none, or where its seal does not open. */
async function pendingKey({ database, keyring, publicName }: RenewalDeps, place: KeyPlace): Promise<StoredKey> {
  const waiting = await readKey(database, { ...place, slot: 'pending' })
  if (waiting !== undefined) {
    try {
      openPeerKey(keyring, waiting)
      return waiting
    } catch (failure) {
      if (!(failure instanceof SealFailure)) throw failure
      await dropKey(database, { ...place, slot: 'pending' })
    }
  }
  const key = await newPeerKey(keyring, { peerId: place.peerId, commonName: publicName })
  return storePendingKey(database, place, key)
}

async function ask(
  { database, signal }: RenewalDeps,
  peer: ConnectedPeer,
  { csrPem }: StoredKey,
): Promise<RenewAnswer> {
  try {
    return await peer.lender.renew(csrPem, { signal })
  } catch (failure) {
    const isRefusedForItself = failure instanceof FederationClientError && failure.peerStatus === UNPROCESSABLE
    const { tenantId, peerId } = peer.caller
    if (isRefusedForItself) await dropKey(database, { tenantId, peerId, slot: 'pending' })
    throw failure
  }
}

function judge(deps: RenewalDeps, { caller, root }: ConnectedPeer, { csrPem }: StoredKey, answer: RenewAnswer) {
  const { grantId, subjectUserId } = caller
  const expected = { csrPem, commonName: deps.publicName, grantId, subjectUserId }
  return takeCertificate(answer, expected, { root, oids: deps.oids, now: deps.now() })
}
