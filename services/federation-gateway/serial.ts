/**
 * Serial numbers of certificates (RFC 5280 section 4.1.2.2) in the one form that is stored and compared: lower-case hex without
 * leading zeros. step-ca writes them as decimals, Node as upper-case hex.
 */
export type Serial = string

/** RFC 5280: conforming CAs use at most 20 octets. */
const LONGEST_HEX = 40
const LONGEST_DECIMAL = 49

/** Reads hex as Node, OpenSSL and people write it; undefined for what is no positive serial number. */
export function serialFromHex(text: string): Serial | undefined {
  if (!/^[0-9a-fA-F]+$/.test(text)) return undefined
  const serial = text.toLowerCase().replace(/^0+/, '')
  return serial !== '' && serial.length <= LONGEST_HEX ? serial : undefined
}

/** Reads a decimal as step-ca writes it. */
export function serialFromDecimal(text: string): Serial | undefined {
  if (!/^[0-9]+$/.test(text) || text.length > LONGEST_DECIMAL) return undefined
  return serialFromHex(BigInt(text).toString(16))
}

/** Reads the content octets of a DER INTEGER; one that is negative is no serial number. */
export function serialFromBytes(bytes: Uint8Array): Serial | undefined {
  return (bytes[0] ?? 0x80) < 0x80 ? serialFromHex(Buffer.from(bytes).toString('hex')) : undefined
}

/** For step-ca: `sub` of a revocation token, `serial` of a revocation. */
export function serialToDecimal(serial: Serial): string {
  return BigInt(`0x${serial}`).toString(10)
}
