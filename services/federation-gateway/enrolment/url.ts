import { guard } from '../../shared/guard.ts'
import { isCommonName, isUuid } from '../ids.ts'
import { refused } from '../wire/errors.ts'
import { lookupOf } from './token.ts'

/** What an invitation pins. It stands in the fragment, which no client sends (RFC 9110 section 4.2.5): no server can change it. */
export interface Pins {
  /** SHA-256 of the DER of the root, in lower-case hex. */
  readonly ca: string
  readonly grant: string
  readonly subject: string
}

export interface EnrolmentUrl {
  /** Where the CSR goes: no fragment, no query. */
  readonly url: string
  readonly host: string
  readonly token: string
  readonly pins: Pins | undefined
}

/** An enrolment URL that must not be used. The message says what is wrong with it, and never repeats the token in it. */
export class EnrolmentUrlRefused extends Error {
  constructor(why: string) {
    super(`the enrolment URL is refused: ${why}; ask the lending gateway for another one (federation grant token)`)
    this.name = 'EnrolmentUrlRefused'
  }
}

/** The token follows. */
export const ENROLMENT_PATH = '/api/federation/enrollment/'
const PIN_NAMES = ['ca', 'grant', 'subject'] as const

/** `base`: the public URL of this gateway. */
export function writeEnrolmentUrl(base: string, token: string, pins: Pins): string {
  return `${new URL(`${ENROLMENT_PATH}${token}`, base)}${writePins(pins)}`
}

/** The fragment that `readPins` reads. */
export function writePins({ ca, grant, subject }: Pins): string {
  return `#ca=sha256:${ca}&grant=${grant}&subject=${subject}`
}

/** Reads an enrolment URL before anything is sent there. @throws EnrolmentUrlRefused */
export function readEnrolmentUrl(text: string): EnrolmentUrl {
  const url = URL.parse(text)
  if (url === null) throw new EnrolmentUrlRefused('it is no URL')
  const token = url.pathname.startsWith(ENROLMENT_PATH) ? url.pathname.slice(ENROLMENT_PATH.length) : ''
  if (url.protocol !== 'https:') throw new EnrolmentUrlRefused('it is not https')
  if (url.username !== '' || url.password !== '') throw new EnrolmentUrlRefused('it has user information')
  // A server proves a name by a SAN dNSName: no address has one.
  if (!isCommonName(url.hostname)) throw new EnrolmentUrlRefused('its host is no DNS name')
  if (lookupOf(token) === undefined || url.search !== '') {
    throw new EnrolmentUrlRefused(`its path is not ${ENROLMENT_PATH}TOKEN, with a token of 64 lower-case hex digits`)
  }
  const pins = readPins(url.hash)
  return { url: `${url.origin}${url.pathname}`, host: url.hostname, token, pins }
}

/** Where calls go after enrolment: https, to the host that the enrolment proved. */
export function isFederationUrl(text: string, host: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.protocol !== 'https:' || url.hostname !== host) return false
  return url.username === '' && url.password === '' && url.pathname === '/' && url.search === '' && url.hash === ''
}

/** All three pins, or no fragment at all: half of an invitation is a mistake, and nobody should go on without noticing. */
export function readPins(hash: string): Pins | undefined {
  if (hash === '' || hash === '#') return undefined
  const members = new URLSearchParams(hash.slice(1))
  const names = [...members.keys()]
  if (names.toSorted().join(' ') !== PIN_NAMES.join(' ')) {
    throw new EnrolmentUrlRefused('its fragment does not name ca, grant and subject, each once, and nothing else')
  }
  const [ca, grant, subject] = PIN_NAMES.map((name) => members.get(name)!) as [string, string, string]
  const [, fingerprint] = /^sha256:([0-9a-f]{64})$/.exec(ca) ?? []
  if (fingerprint === undefined)
    throw new EnrolmentUrlRefused('its fragment has no ca=sha256:… of 64 lower-case hex digits')
  if (!isUuid(grant) || !isUuid(subject))
    throw new EnrolmentUrlRefused('grant and subject in its fragment are no UUIDs')
  return { ca: fingerprint, grant, subject }
}

export interface OfferedUrl {
  readonly enrolmentUrl: string
  /** What else makes it no place to send a request to, in words; undefined where nothing does. */
  readonly objection?: (url: EnrolmentUrl) => string | undefined
  /** Set when the URL is good. */
  read?: EnrolmentUrl
  /** Set when it is not: for the administrator who gave it. */
  message?: string
}

/** Where a lender wants to be called, and the host that has enrolled. */
export interface OfferedFederationUrl {
  readonly federationUrl: string
  readonly host: string
}

export const admUrl = guard<OfferedUrl | OfferedFederationUrl>('adm.url', ['enrolment_url'], (offered) => {
  if ('federationUrl' in offered) {
    const isThere = isFederationUrl(offered.federationUrl, offered.host)
    return isThere ? undefined : refused('invalid_request', 'enrolment_url')
  }
  try {
    const read = readEnrolmentUrl(offered.enrolmentUrl)
    const objection = offered.objection?.(read)
    if (objection !== undefined) throw new EnrolmentUrlRefused(objection)
    offered.read = read
    return undefined
  } catch (failure) {
    if (!(failure instanceof EnrolmentUrlRefused)) throw failure
    offered.message = failure.message
    return refused('invalid_request', 'enrolment_url')
  }
})
