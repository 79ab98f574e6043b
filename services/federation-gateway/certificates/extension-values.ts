import { isUuid } from '../ids.ts'
import { elementsOf, onlyElement, TAG } from './der.ts'

// The one reader of the extensions that make a certificate a grant's. The guards of the federation listener, the check of an issued
// leaf and `peer add` all use it, so that no two of them can take the same bytes for different things.

/** An extension as it stands in a certificate: `value` is what its OCTET STRING holds (RFC 5280 section 4.1). */
export interface Extension {
  readonly oid: string
  readonly critical: boolean
  readonly value: Uint8Array
}

export type UuidReading =
  | { readonly value: string; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: 'missing' | 'repeated' | 'malformed' }

/**
 * Reads the UUID that an extension names: exactly one extension with this OID, a UTF8String (tag 0x0c) with a length in its shortest
 * definite form, valid UTF-8, a lower-case UUID that is not the nil one, and nothing after it. RFC 5280 section 4.2: no extension is in a
 * certificate twice.
 */
export function readUuid(extensions: readonly Extension[], oid: string): UuidReading {
  const [found, ...more] = extensions.filter((extension) => extension.oid === oid)
  if (found === undefined) return { problem: 'missing' }
  if (more.length > 0) return { problem: 'repeated' }
  const element = onlyElement(found.value)
  const text = element?.tag === TAG.utf8 ? utf8Of(element.content) : undefined
  return text !== undefined && isUuid(text) ? { value: text } : { problem: 'malformed' }
}

/** Who at the CA let a certificate be made. */
export interface Provisioner {
  readonly name: string
  /** RFC 7638 thumbprint of its key. */
  readonly kid: string
}

/** step-ca marks each certificate with its provisioner. */
export const PROVISIONER_OID = '1.3.6.1.4.1.37476.9000.64.1'
const JWK = 1

/** `SEQUENCE { INTEGER type, OCTET STRING name, OCTET STRING kid }`, exactly once and of type JWK; undefined for anything else. */
export function readProvisioner(extensions: readonly Extension[]): Provisioner | undefined {
  const [found, ...more] = extensions.filter(({ oid }) => oid === PROVISIONER_OID)
  const sequence = found === undefined || more.length > 0 ? undefined : onlyElement(found.value)
  const members = sequence?.tag === TAG.sequence ? elementsOf(sequence.content) : undefined
  if (members?.map(({ tag }) => tag).join() !== [TAG.integer, TAG.octets, TAG.octets].join()) return undefined
  const [type, name, kid] = members.map(({ content }) => content) as [Uint8Array, Uint8Array, Uint8Array]
  if (type.length !== 1 || type[0] !== JWK) return undefined
  const [nameText, kidText] = [utf8Of(name), utf8Of(kid)]
  return nameText === undefined || kidText === undefined ? undefined : { name: nameText, kid: kidText }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}
