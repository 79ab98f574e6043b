import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { type Serial, serialFromBytes } from '../serial.ts'
import { type Element, exactly, membersOf, onlyElement, TAG } from './der.ts'
import type { Signed } from './signature.ts'

/** A list as it stands in its bytes (RFC 5280 section 5.1), and nothing of it judged. */
export interface CrlForm extends Signed {
  /** Named inside of what is signed, too. */
  readonly innerAlgorithm: string
  /** DER of the name. */
  readonly issuer: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  readonly serials: ReadonlySet<Serial>
  /** An entry has a critical extension, which may say that it is of another issuer, or no revocation (section 5.3). */
  readonly hasStrangeEntry: boolean
  readonly extensions: readonly asn1.Extension[]
}

/**
 * Reads the structure of a list; undefined for what is none. The packages for ASN.1 read at most ten thousand nodes, which are some two
 * thousand entries, so the entries are read here.
 */
export function readCrlForm(der: Uint8Array): CrlForm | undefined {
  try {
    return formOf(der)
  } catch {
    return undefined
  }
}

function formOf(der: Uint8Array): CrlForm {
  const [list, algorithm, signature] = exactly(3, membersOf(onlyElement(der), TAG.sequence))
  const rest = [...membersOf(list, TAG.sequence)]
  const take = (...tags: number[]): Element | undefined =>
    tags.includes(rest[0]?.tag ?? -1) ? rest.shift() : undefined
  const version = take(TAG.integer)
  const [inner, issuer] = [take(TAG.sequence), take(TAG.sequence)]
  const [thisUpdate, nextUpdate] = [take(TAG.utcTime, TAG.generalizedTime), take(TAG.utcTime, TAG.generalizedTime)]
  const entries = take(TAG.sequence)
  const extensions = take(TAG.context0)
  // Version 2 is written as 1, and a list of version 1 has no extensions.
  const isVersion2 = version?.content.length === 1 && version.content[0] === 1
  if (rest.length > 0 || issuer === undefined || !isVersion2) throw new SyntaxError('no list')
  const read = (entries === undefined ? [] : membersOf(entries, TAG.sequence)).map(entryOf)
  return {
    content: list!.whole,
    algorithm: algorithmOf(algorithm),
    innerAlgorithm: algorithmOf(inner),
    signature: bitsOf(signature),
    issuer: issuer.whole,
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: nextUpdate && timeOf(nextUpdate),
    serials: new Set(read.map(({ serial }) => serial)),
    hasStrangeEntry: read.some(({ isStrange }) => isStrange),
    extensions: extensions === undefined ? [] : [...AsnConvert.parse(extensions.content, asn1.Extensions)],
  }
}

function entryOf(entry: Element): { serial: Serial; isStrange: boolean } {
  const [number, time, extensions, ...more] = membersOf(entry, TAG.sequence)
  const serial = number?.tag === TAG.integer ? serialFromBytes(number.content) : undefined
  if (serial === undefined || more.length > 0) throw new SyntaxError('no entry')
  timeOf(time)
  const isStrange = extensions !== undefined && membersOf(extensions, TAG.sequence).some(isCritical)
  return { serial, isStrange }
}

function isCritical(extension: Element): boolean {
  const [, critical] = membersOf(extension, TAG.sequence)
  return critical?.tag === TAG.boolean && critical.content[0] !== 0
}

function algorithmOf(element: Element | undefined): string {
  return AsnConvert.parse(element!.whole, asn1.AlgorithmIdentifier).algorithm
}

/** A signature has whole octets: none of its last bits is unused. */
function bitsOf(element: Element | undefined): Uint8Array {
  if (element?.tag !== TAG.bits || element.content[0] !== 0) throw new SyntaxError('no signature')
  return element.content.subarray(1)
}

/** Section 5.1.2.4: to the second, in UTC; a year of two digits is of 1950 to 2049. */
function timeOf(element: Element | undefined): Date {
  const text = Buffer.from(element?.content ?? []).toString('latin1')
  const years = element?.tag === TAG.utcTime ? (text < '5' ? `20${text}` : `19${text}`) : text
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(years) ?? []
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(time.getTime())) throw new SyntaxError('no time')
  return time
}
