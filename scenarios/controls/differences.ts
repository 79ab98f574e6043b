import type { KnownDifference, KnownDifferences } from 'holdfast/vitest'

/**
 * What is wrong with resource servers of others, or other than the standard says, as it was seen at the versions of their packages.
 * A difference that is gone fails as one that is new does: both say that this file is no longer true.
 */

/** Taken from a caller who has no right to it: the control is here to turn red. */
const letIn = (against: string): KnownDifference => ({ comes: 'accepted', against })

const challengeForNothing: KnownDifference = {
  comes: '401 invalid_request',
  against: 'RFC 6750 section 3.1: whoever presents nothing is told no error code',
}
const otherCode: KnownDifference = {
  comes: '401 insufficient_scope',
  against: 'RFC 9068 section 4: a token for others, or of others, is an invalid_token',
}
const otherStatus: KnownDifference = {
  comes: '401 insufficient_scope',
  against: 'RFC 6750 section 3.1: insufficient_scope is answered with 403',
}
const notBefore = letIn('RFC 7519 section 4.1.5: mod_oauth2 does not look at nbf')

/** mod_oauth2 compares audience, issuer and scope in one place, after the binding, and has one answer for all three. */
const modOauth2 = (node: string) => ({
  'no token, without a certificate': challengeForNothing,
  'alice-at-haproxy, over cert-alice': otherCode,
  'alice-at-haproxy, without scope, over cert-alice': otherCode,
  'alice-at-haproxy, not yet valid, over cert-alice': otherCode,
  [`alice-at-${node}, not yet valid, over cert-alice`]: notBefore,
  [`alice-at-${node}, without scope, over cert-alice`]: otherStatus,
})

const notHolder = 'RFC 8705 section 3: a bound token is for the holder of its certificate only (PEER-01, PEER-02)'
const unverified = 'RFC 5280 section 6.1: a certificate that leads to no root proves nothing (TLS-02, TLS-03)'
const unlooked = 'RFC 5280 section 6.1: nobody looks at what the chain proves (TLS-06 to TLS-09)'
const misused = 'RFC 5280 section 4.2.1.12: a certificate is for the purposes that it names (TLS-05)'
const unbound = 'RFC 8705 section 3: an endpoint that demands binding takes no token without it (PEER-04)'

/** Cells of the matrix of `fixtures/controls/debian.json`. */
export const debianCells: KnownDifferences = {
  'apache resource:read': modOauth2('apache'),
  'apache-optional resource:read': {
    ...modOauth2('apache-optional'),
    'alice-at-haproxy, unbound, over cert-alice': otherCode,
    'alice-at-apache-optional, unbound, over cert-alice': letIn(unbound),
  },
}

/** Cells of the matrix of `fixtures/controls/npm.json`. */
export const npmCells: KnownDifferences = {
  'express-unset resource:read': {
    'alice-at-express-unset, over cert-auth': letIn(notHolder),
    'alice-at-express-unset, unbound, over cert-alice': letIn(unbound),
  },
  'express-anybody resource:read': {
    'alice-at-express-anybody, bound to the presenter, over a certificate like cert-alice of an unknown CA':
      letIn(unverified),
    'alice-at-express-anybody, bound to the presenter, over a certificate like cert-alice that has expired':
      letIn(unverified),
  },
  'https-unverified resource:read': {
    'over a certificate like cert-auth of an unknown CA': letIn(unverified),
    'over a certificate like cert-auth that has expired': letIn(unverified),
  },
}

/** The same difference in several variants of cases: `GEN-12: crit is empty`. */
function alike(difference: KnownDifference, cases: Readonly<Record<string, readonly string[]>>) {
  const names = Object.entries(cases).flatMap(([id, variants]) => variants.map((variant) => `${id} ${variant}`))
  return Object.fromEntries(names.map((name) => [name, difference]))
}

/** Not against the standard, and not as our own nodes do it. */
const allowed = (comes: string, by: string): KnownDifference => ({ comes, against: `our own nodes only: ${by}` })

const noText = letIn('RFC 7515 section 4.1.4: a kid is a text')

const anyPurpose = allowed(
  'accepted',
  'RFC 5280 section 4.2.1.12: a certificate that names no purpose is for all of them',
)
const kidless = allowed('accepted', 'RFC 7515 section 4.1.4 has kid optional')
const unknownHeader = allowed('accepted', 'RFC 7515 section 4 has a header ignored that is unknown and not critical')
const knownB64 = allowed('accepted', 'RFC 7797 section 3: b64 true is what holds without it')
const anyNumber = allowed('accepted', 'RFC 7519 section 2: a NumericDate is any number')
const anyAge = allowed('accepted', 'RFC 7519 section 4.1.6: iat tells the age of a token, and refuses none')
const anyAudience = allowed(
  'accepted',
  'RFC 7519 section 4.1.3 wants one of several audiences, and only an issuer that is asked knows what it wrote',
)
const anySubject = allowed('accepted', 'RFC 9068 section 4 does not have sub validated: it is for the application')
const lastOfTwo = allowed('accepted', 'RFC 7519 section 4: a parser may return the last of two')
const anyBlanks = allowed('accepted', 'RFC 6750 section 2.1: one or more blanks stand before the token')
const oneMethod = allowed('accepted', 'RFC 6750 sections 2.2 and 2.3: who does not know these methods sees one token')
const firstOfTwo = allowed('accepted', 'RFC 9110 section 5.3 leaves it open what comes of a field that stands twice')
const anyHost = allowed('accepted', 'RFC 9110 section 7.4: which hosts it serves is a server’s own matter')
const withoutAlpn = allowed('accepted', 'RFC 7301 section 3.1: who does not know ALPN ignores it, and speaks HTTP/1.1')
const unfolded = allowed('accepted', 'RFC 9112 section 5.2: a folded line may be read as one with blanks')
const anyVersion = allowed('accepted', 'RFC 9110 section 15.6.6: a version may be refused, and need not')
const chunksAlone = allowed(
  'accepted',
  'RFC 9112 section 6.1: it may read the chunks alone, if it ends the connection then, as it does',
)

const everySubject = [
  ...['no sub', 'an empty text', 'a number', 'an object', 'a list', '2 kB', '10 kB', 'a zero byte behind it'],
  ...['upper case', 'a line break and a line of its own'],
]

const haproxyAttacks: KnownDifferences[string] = {
  ...alike(anyPurpose, { 'TLS-05': ['for nothing named'] }),
  ...alike(unknownHeader, { 'GEN-13': ['b64 false without crit'] }),
  ...alike(anyAge, { 'GEN-17': ['iat an hour ahead'], 'PEER-30': ['issued in the future'] }),
  ...alike(anySubject, { 'GEN-19': everySubject }),
  ...alike(lastOfTwo, { 'GEN-20': ['sub twice, another one last'] }),
  ...alike(
    {
      ...allowed('401 invalid_token', 'RFC 7519 section 4 leaves it to refuse a claim that stands twice'),
      reason: 'claim_invalid',
    },
    { 'GEN-20': ['cnf twice, another one last', 'cnf twice, the right one last'] },
  ),
  ...alike(
    {
      ...allowed(
        '401 invalid_token',
        'RFC 7519 section 7.2 leaves the order of checks open; it finds no issuer in there',
      ),
      reason: 'issuer_untrusted',
    },
    { 'GEN-21': ['a claim as deep as fits'] },
  ),
  // A wrong signature leaves its error behind in OpenSSL, and what reads next from any connection takes it for its own.
  ...alike(
    {
      comes: 'works: a good caller is turned away',
      against: 'GEN-37: whoever sends wrong signatures ends the connections of others (haproxy issue 2643)',
    },
    { 'GEN-37': ['forged tokens of one caller'] },
  ),
  ...alike(anyBlanks, { 'GEN-26': ['two blanks'] }),
  ...alike(oneMethod, { 'GEN-27': ['in the query, too', 'in a form, too'] }),
  ...alike(anyHost, {
    'TLS-13': ['another Host', 'another Host, and the same name in the handshake', 'Host with a trailing dot'],
  }),
  ...alike(allowed('400', 'RFC 9110 section 15.5.20 has 421 as one answer of several'), {
    'TLS-13': ['the right Host, and a target that names another'],
  }),
  ...alike(letIn('RFC 9112 section 3.2: a request without Host is answered with 400'), { 'TLS-13': ['no Host'] }),
  ...alike(withoutAlpn, { 'TLS-18': ['HTTP/2 and nothing else in the handshake'] }),
  ...alike(unfolded, { 'TLS-22': ['on a folded line'], 'TLS-26': ['chunks on a folded line'] }),
  ...alike(chunksAlone, { 'TLS-26': ['a length, and chunks that end before it'] }),
  ...alike(allowed('accepted', 'RFC 9110 section 8.6: equal lengths may be taken for one'), {
    'TLS-26': ['two lengths that are alike', 'a list of lengths'],
  }),
  ...alike(allowed('accepted', 'RFC 9112 section 2.2: a line feed alone may end a line'), {
    'TLS-26': ['lines that end in a line feed alone'],
  }),
  ...alike(allowed('accepted', 'RFC 9110 section 5.5: a NUL in a value may be read as a blank'), {
    'TLS-26': ['a NUL within a line'],
  }),
  ...alike(anyVersion, { 'TLS-26': ['a version that is none'] }),
}

/** mod_oauth2 tells whoever presents nothing that the request is invalid, whatever else is tried. */
const apacheBare = alike(challengeForNothing, {
  'TLS-17': ['no token, after an accepted request'],
  'TLS-23': ['a token that is not there'],
  'TLS-29': ["the target's own certificate and nothing else", "a server's certificate with the caller's common name"],
})

const apacheAttacks: KnownDifferences[string] = {
  'GEN-04 65 bytes': letIn('RFC 7518 section 3.4: a signature with P-256 has 64 bytes'),
  ...alike(noText, { 'GEN-08': ['a number', 'a list', 'null'] }),
  ...alike(anyPurpose, { 'TLS-05': ['for nothing named'] }),
  ...alike(kidless, { 'GEN-08': ['absent'] }),
  ...alike(unknownHeader, { 'GEN-13': ['b64 false without crit'] }),
  ...alike(knownB64, { 'GEN-13': ['b64 true with crit'] }),
  ...alike(letIn('RFC 7515 section 4.1.11: what is critical and not understood ends the token'), {
    'GEN-12': ['crit names cnf', 'crit is empty', 'crit names an absent header', 'crit is no list', 'crit is null'],
    'GEN-13': ['b64 false with crit'],
  }),
  ...alike(letIn('RFC 9068 section 4: typ is at+jwt (RFC 8725 section 3.11 says why)'), {
    'GEN-14': [
      ...['a client assertion', 'an enrolment token', 'a logout token', 'an introspection answer'],
      ...['a security event', 'a proof of possession', 'no typ at all', 'typ as a list', 'typ with a blank'],
    ],
  }),
  ...alike(notBefore, { 'GEN-17': ['nbf just past the skew'], 'PEER-30': ['not to be used yet'] }),
  ...alike(otherCode, {
    'GEN-14': ['an ID token that is said to be an access token'],
    'GEN-18': [
      ...['no aud', 'an empty text', 'an empty list', 'another one', 'the same with a domain behind it'],
      ...['the same with a slash', 'the same in upper case', 'the same with its port', 'a list in a list', 'an object'],
    ],
    'PEER-27': [
      ...['for another node', 'for a host that begins alike', 'for a host that ends alike'],
      ...['for the host without its scheme', 'for nobody'],
    ],
  }),
  ...alike(challengeForNothing, {
    'GEN-24': [
      ...['no Authorization', 'an empty one', 'Basic', 'the token without a scheme', 'a scheme that begins like it'],
      ...['DPoP', 'the token in a cookie', 'the token in a header of its own', 'Proxy-Authorization'],
    ],
    'PEER-12': ['a call without token'],
  }),
  ...alike(
    { comes: '401 invalid_request', against: 'RFC 6750 section 3.1: a malformed request is answered with 400' },
    {
      'GEN-26': ['a tab'],
      'GEN-27': ['in the query alone', 'in the query, its name encoded', 'in a form alone'],
      'GEN-28': ['Basic, then good'],
    },
  ),
  ...apacheBare,
  ...alike(anyNumber, { 'GEN-16': ['2^53 + 1'] }),
  ...alike(anyAudience, { 'GEN-18': ['beside another one that the issuer never wrote'] }),
  ...alike(anySubject, { 'GEN-19': ['2 kB', '10 kB', 'upper case', 'a line break and a line of its own'] }),
  // It makes no user of it, and says nothing.
  ...alike(
    { comes: '401 *', against: 'RFC 9110 section 15.5.2: a 401 comes with a challenge' },
    { 'GEN-19': ['an empty text'] },
  ),
  ...alike(lastOfTwo, { 'GEN-20': ['sub twice, another one last'] }),
  ...alike(anyBlanks, { 'GEN-26': ['two blanks'] }),
  ...alike(oneMethod, { 'GEN-27': ['in the query, too', 'in a form, too'] }),
  ...alike(anyHost, {
    'TLS-13': [
      ...['another Host', 'another Host, and the same name in the handshake', 'Host with a trailing dot'],
      'the right Host, and a target that names another',
    ],
  }),
  ...alike(unfolded, { 'TLS-22': ['on a folded line'], 'TLS-26': ['chunks on a folded line'] }),
  ...alike(chunksAlone, {
    'TLS-26': ['a length, and chunks that end before it', 'chunks, and a length that ends before them'],
  }),
  ...alike(anyVersion, { 'TLS-26': ['a version that is none'] }),
}

const expressAttacks: KnownDifferences[string] = {
  ...alike(noText, { 'GEN-08': ['a number', 'a list', 'null'] }),
  ...alike(allowed('accepted', 'its default leeway is 5 s, and RFC 7519 section 4.1.4 allows a small one'), {
    'GEN-17': ['exp just past the skew', 'nbf just past the skew'],
  }),
  ...alike(
    { comes: '400', against: 'RFC 6750 section 3.1: without a token it is 401, whatever else the header holds' },
    { 'GEN-24': ['an empty one', 'Basic', 'the token without a scheme', 'a scheme that begins like it', 'DPoP'] },
  ),
  ...alike(letIn('RFC 9700 section 4.3.2: a token in a query ends up in logs'), {
    'GEN-27': ['in the query alone', 'in the query, its name encoded'],
  }),
  ...alike(anyPurpose, { 'TLS-05': ['for nothing named'] }),
  ...alike(kidless, { 'GEN-08': ['absent'] }),
  ...alike(unknownHeader, { 'GEN-13': ['b64 false without crit'] }),
  ...alike(knownB64, { 'GEN-13': ['b64 true with crit'] }),
  ...alike(anyNumber, { 'GEN-16': ['1e308', '1e400, which is infinite', '2^53 + 1', 'a fraction'] }),
  ...alike(anyAge, { 'GEN-17': ['iat an hour ahead'], 'PEER-30': ['issued in the future'] }),
  ...alike(anyAudience, { 'GEN-18': ['beside another one that the issuer never wrote'] }),
  ...alike(anySubject, {
    'GEN-19': [
      ...['an empty text', '2 kB', '10 kB', 'a zero byte behind it', 'upper case'],
      'a line break and a line of its own',
    ],
  }),
  ...alike(lastOfTwo, { 'GEN-20': ['sub twice, another one last'] }),
  ...alike(oneMethod, { 'GEN-27': ['in a form, too'] }),
  ...alike(firstOfTwo, {
    'GEN-28': ['good, then bad', 'twice the same', 'good, then an empty one', 'good, then one in lower case'],
  }),
  ...alike(anyHost, {
    'TLS-13': ['another Host', 'another Host, and the same name in the handshake', 'Host with a trailing dot'],
  }),
  ...alike(letIn('RFC 9112 section 3.2: a request with two Hosts is answered with 400'), { 'TLS-13': ['two Hosts'] }),
  ...alike(
    { comes: '400 invalid_request', against: 'RFC 9112 section 3.2.2: a target with its host is accepted' },
    { 'TLS-13': ['the right Host, and a target that names it, too'] },
  ),
  ...alike(allowed('400 invalid_request', 'RFC 9110 section 15.5.20 has 421 as one answer of several'), {
    'TLS-13': ['the right Host, and a target that names another'],
  }),
}

/** Attacks on the gateways of `fixtures/controls/debian.json`; on the one that is set up as it should not be, those on the binding. */
export const debianAttacks: KnownDifferences = {
  'haproxy resource:read': haproxyAttacks,
  'apache resource:read': apacheAttacks,
  'apache-optional resource:read': {
    ...apacheBare,
    ...alike(letIn(unbound), {
      'PEER-04': ['without cnf'],
      // Whatever it does not take for a binding is no binding.
      'PEER-14': ['cnfSha1', 'cnfArray', 'cnfString', 'cfn', 'extCnf'],
    }),
  },
}

const certificateHeaders = [
  ...['Client-Cert', 'X-SSL-Client-Cert', 'X-Client-Cert', 'X-Forwarded-Client-Cert', 'X-Forwarded-Tls-Client-Cert'],
  'Ssl-Client-Cert',
]

/** On gateways that take a certificate of any CA, whether they look at a token's binding to it or not. */
const ofAnybody: KnownDifferences[string] = {
  ...alike(letIn(unverified), {
    'TLS-02': ['expired', 'not yet valid'],
    'TLS-03': ['of a CA that nobody trusts'],
  }),
  ...alike(letIn(misused), { 'TLS-05': ['for servers only', 'for code only'] }),
  ...alike(letIn(unlooked), {
    'TLS-06': ['signed by a leaf of the right CA'],
    'TLS-07': ['one authority too many', 'outside the permitted names'],
    'TLS-08': ['an unknown extension', 'the identifier of a grant, marked critical'],
    'TLS-09': ['RSA of 1024 bits', 'signed with SHA-1', 'signed with MD5'],
  }),
}

/** The same for `fixtures/controls/npm.json`; on those that take any certificate, those on the chain. */
export const npmAttacks: KnownDifferences = {
  'express resource:read': expressAttacks,
  'express-unset resource:read': {
    ...alike(letIn(notHolder), {
      'PEER-01': ['over the certificate of a third node', 'over another certificate of the holder'],
      'PEER-02': ['no client certificate'],
      'PEER-08': ['over a certificate of a CA that the target trusts'],
      'PEER-15': ['the old token over the renewed certificate'],
      'TLS-01': ['over TLS 1.3', 'over TLS 1.2'],
      'TLS-10': ["one's own, then the victim's", "one's own, the victim's between it and its CA"],
      'TLS-17': ['a token that is bound to another certificate, after an accepted request'],
      // No header makes it worse: nobody looks at them, and nobody looks at the certificate of the connection.
      'TLS-21': [
        ...certificateHeaders.map((name) => `${name}, beside another certificate`),
        'all of them, and no certificate',
      ],
      'TLS-22': ['with underscores', 'twice, in two cases'],
      'TLS-23': ['a token of another certificate'],
      'TLS-29': ["the target's own certificate with the caller's token"],
    }),
    ...alike(letIn(unbound), {
      'PEER-04': ['without cnf'],
      'PEER-14': [
        ...['cnfHexThumbprint', 'cnfColons', 'cnfPadded', 'cnfStandardBase64', 'cnfUpperCased', 'cnfSha1', 'cnfArray'],
        ...['cnfString', 'cfn', 'extCnf', 'cnfOfSpki', 'cnfOfPem', 'cnfOfChain'],
      ],
    }),
  },
  'express-anybody resource:read': ofAnybody,
  'https-unverified resource:read': ofAnybody,
}

/** Attacks with tokens of another mint, on an orchestrator that does not ask it about them. */
export const mintAttacks: KnownDifferences = {
  'node-b peering:connect': {
    'GEN-18 beside another one that the issuer never wrote': anyAudience,
  },
}
