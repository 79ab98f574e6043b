import { type Element, exactly, membersOf, onlyElement, TAG } from './der.ts'
import type { Extension } from './extension-values.ts'

/** Parts of a certificate as they stand in its bytes (RFC 5280 section 4.1), and nothing of them judged. */
export interface CertificateForm {
  /** Content of the INTEGER. */
  readonly serial: Uint8Array
  /** DER of the name. */
  readonly subject: Uint8Array
  readonly extensions: readonly Extension[]
}

/**
 * Node shows neither of them as they are. The packages for ASN.1 read all else in a certificate, too, and took a sixth of the work of a
 * new connection. @throws SyntaxError for what is no certificate in DER
 */
export function certificateForm(der: Uint8Array): CertificateForm {
  const [signed] = exactly(3, membersOf(onlyElement(der), TAG.sequence))
  const [version, ...members] = membersOf(signed, TAG.sequence)
  // It is left out of those of version 1, which have no extensions.
  if (version?.tag !== TAG.context0) members.unshift(version!)
  const [serial, , , , subject, , ...unique] = members
  if (serial?.tag !== TAG.integer || subject?.tag !== TAG.sequence) throw new SyntaxError('no certificate')
  const last = unique.at(-1)
  const extensions = last?.tag === TAG.context3 ? membersOf(onlyElement(last.content), TAG.sequence) : []
  return { serial: serial.content, subject: subject.whole, extensions: extensions.map(extensionOf) }
}

/** Section 4.2: an OID, whether it is critical where it is, and an OCTET STRING. */
function extensionOf(element: Element): Extension {
  const [oid, ...rest] = membersOf(element, TAG.sequence)
  const critical = rest[0]?.tag === TAG.boolean ? rest.shift() : undefined
  const [value] = exactly(1, rest)
  if (oid?.tag !== TAG.oid || value?.tag !== TAG.octets) throw new SyntaxError('no extension')
  return {
    oid: oidOf(oid.content),
    critical: critical !== undefined && critical.content[0] !== 0,
    value: value.content,
  }
}

/** ITU-T X.690 section 8.19: seven bits in an octet, the last of a number without the eighth; none begins with an octet that adds nothing. */
function oidOf(content: Uint8Array): string {
  const numbers: number[] = []
  let [number, isBegun] = [0, false]
  for (const octet of content) {
    if (!isBegun && octet === 0x80) throw new SyntaxError('no OID')
    number = number * 128 + (octet & 0x7f)
    isBegun = octet >= 0x80
    if (isBegun) continue
    numbers.push(number)
    number = 0
  }
  const [first, ...others] = numbers
  if (first === undefined || isBegun) throw new SyntaxError('no OID')
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - 40 * root, ...others].join('.')
}
