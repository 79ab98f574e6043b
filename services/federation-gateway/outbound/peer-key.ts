import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { pemOf } from '../certificates/pem.ts'
import type { Keyring } from '../sealing/keyring.ts'
import type { StoredKey } from '../storage/peer-keys.ts'

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** A new P-256 key, and the request for its certificate (RFC 2986): subject and SAN are that name, and nothing else is asked for. */
export async function newRequest(
  commonName: string,
): Promise<{ readonly keys: webcrypto.CryptoKeyPair; readonly csrPem: string }> {
  const keys = await crypto.subtle.generateKey(P256, true, ['sign', 'verify'])
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: P256,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: commonName }])],
  })
  return { keys, csrPem: pemOf(new Uint8Array(request.rawData), 'CERTIFICATE REQUEST') }
}

/** A new key for a peer, sealed before anything of it leaves this function, and the request for its certificate, in our own common name. */
export async function newPeerKey(
  keyring: Keyring,
  { peerId, commonName }: { readonly peerId: string; readonly commonName: string },
): Promise<Pick<StoredKey, 'id' | 'sealedKey' | 'csrPem'>> {
  const { keys, csrPem } = await newRequest(commonName)
  const id = crypto.randomUUID()
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey))
  const sealedKey = keyring.seal(key, { rowId: id, peerId })
  key.fill(0)
  return { id, sealedKey, csrPem }
}

/** The key as TLS takes it (RFC 5958). @throws SealFailure */
export function openPeerKey(keyring: Keyring, { id, peerId, sealedKey }: StoredKey): string {
  const key = keyring.open(sealedKey, { rowId: id, peerId })
  const pem = pemOf(key, 'PRIVATE KEY')
  key.fill(0)
  return pem
}
