/** Variants that no standard demands to be refused. */
interface LeftOpen {
  /** Names of variants, or all of the case. */
  readonly variants: 'all' | readonly string[]
  /** What leaves it open. */
  readonly because: string
}

/**
 * What the standards leave to a resource server, by case: the reference nodes refuse it, and others need not. It is tried on targets
 * that are declared to be strict, and told apart from what does not hold.
 */
export const leftOpen: Readonly<Record<string, LeftOpen>> = {
  'GEN-08': { variants: ['absent'], because: 'kid is optional where a key set holds one key (RFC 7515 section 4.1.4)' },
  'GEN-13': {
    variants: ['b64 false without crit', 'b64 true with crit'],
    because:
      'an unknown header that is not critical is ignored, and b64 true is the default (RFC 7515 section 4, RFC 7797 section 3)',
  },
  'GEN-16': {
    variants: ['1e308', '1e400, which is infinite', '2^53 + 1', 'a fraction'],
    because: 'a NumericDate may be any number (RFC 7519 section 2)',
  },
  'GEN-17': {
    variants: ['iat an hour ahead', 'iat just within the skew'],
    because: 'iat tells the age of a token, and is no reason to refuse it (RFC 7519 section 4.1.6)',
  },
  'GEN-18': {
    variants: ['beside another one that the issuer never wrote'],
    because:
      'one of several audiences is enough (RFC 7519 section 4.1.3), and only an issuer that is asked knows better',
  },
  'GEN-19': {
    variants: 'all',
    because: 'sub is text for the application (RFC 7519 section 4.1.2), and is not validated by RFC 9068 section 4',
  },
  'GEN-20': {
    variants: ['sub twice, another one last'],
    because: 'a parser may return the last of two (RFC 7519 section 4)',
  },
  'GEN-26': {
    variants: ['two blanks'],
    because: 'one or more blanks stand between scheme and token (RFC 6750 section 2.1)',
  },
  'GEN-27': {
    variants: ['in the query, too', 'in a form, too'],
    because:
      'the other methods are optional, and who does not know them sees one token (RFC 6750 sections 2.2 and 2.3)',
  },
  'GEN-28': {
    variants: ['good, then bad', 'twice the same', 'good, then an empty one', 'good, then one in lower case'],
    because: 'what a recipient does with a field that must not stand twice is its own choice (RFC 9110 section 5.3)',
  },
  'TLS-05': {
    variants: ['for nothing named'],
    because: 'a certificate that names no purpose is for all of them (RFC 5280 section 4.2.1.12)',
  },
  'TLS-13': {
    variants: [
      'another Host',
      'another Host, and the same name in the handshake',
      'Host with a trailing dot',
      'the right Host, and a target that names another',
    ],
    because: 'which hosts it serves is a server’s own matter (RFC 9110 section 7.4)',
  },
  'TLS-18': {
    variants: ['HTTP/2 and nothing else in the handshake'],
    because: 'who does not know ALPN ignores it, and speaks HTTP/1.1 (RFC 8446 section 4.2, RFC 7301 section 3.1)',
  },
  'TLS-22': {
    variants: ['on a folded line'],
    because: 'a folded line may be refused, or read as one with blanks (RFC 9112 section 5.2)',
  },
  'TLS-26': {
    variants: [
      'two lengths that are alike',
      'a list of lengths',
      'chunks on a folded line',
      'lines that end in a line feed alone',
      'a carriage return within a line',
      'a NUL within a line',
      'a version that is none',
    ],
    because:
      'equal lengths may be taken for one (RFC 9110 section 8.6), a line feed for the end of a line, a carriage return for a blank (RFC 9112 section 2.2), and so may a fold (section 5.2) and a NUL (RFC 9110 section 5.5); a version may be refused, and need not (RFC 9110 section 15.6.6)',
  },
  'TLS-27': {
    variants: 'all',
    because: 'a token is bound to a certificate, whatever names it has (RFC 8705 section 3)',
  },
  'TLS-28': {
    variants: 'all',
    because: 'a token is bound to a certificate, whatever names it has (RFC 8705 section 3)',
  },
  'PEER-30': {
    variants: ['issued in the future', 'the issuer is ahead'],
    because: 'iat tells the age of a token, and is no reason to refuse it (RFC 7519 section 4.1.6)',
  },
}

/** Whether a variant is for strict targets only. */
export function isLeftOpen(id: string, variant: string): boolean {
  const open = Object.hasOwn(leftOpen, id) ? leftOpen[id] : undefined
  return open !== undefined && (open.variants === 'all' || open.variants.includes(variant))
}
