import type { KnownDifference, KnownDifferences } from 'holdfast/vitest'

/**
 * What is wrong with resource servers of others, or other than the standard says, as it was seen at the versions of their packages.
 * A difference that is gone fails as one that is new does: both say that this file is no longer true.
 */

/** Taken from a caller who has no right to it: the control is here to turn red. */
const letIn = (against: string): KnownDifference => ({ comes: 'accepted', against })

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
  'alice-at-haproxy, over cert-alice': otherCode,
  'alice-at-haproxy, naming another issuer, over cert-alice': otherCode,
  [`alice-at-${node}, naming another issuer, over cert-alice`]: otherCode,
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

/** A gateway that takes a certificate of any CA. */
function anyChain(node: string) {
  const own = `alice-at-${node}, bound to the presenter, over a certificate like cert-alice`
  return { [`${own} of an unknown CA`]: letIn(unverified), [`${own} that has expired`]: letIn(unverified) }
}

/** A gateway that does not look at the binding. */
function anyHolder(node: string) {
  return {
    [`alice-at-${node}, over cert-auth`]: letIn(notHolder),
    [`alice-at-${node}, unbound, over cert-alice`]: letIn(unbound),
  }
}

/** Cells of the matrix of `fixtures/controls/npm.json`. */
export const npmCells: KnownDifferences = {
  'express-unset resource:read': anyHolder('express-unset'),
  'express-anybody resource:read': anyChain('express-anybody'),
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

const anyType = letIn('RFC 9068 section 4: typ is at+jwt (RFC 8725 section 3.11 says why)')

/** Near misses of what is an identifier and a URI. */
const ofUri = [
  ...['with another character in the middle', 'with another last character', 'without its last character'],
  ...['with more before it', 'in another case', 'with a blank behind it', 'with a NUL and more behind it'],
  ...['with a look-alike letter', 'with another character for a dot', 'with a slash behind it'],
  ...['with a path behind it', 'with another scheme', 'without its scheme', 'with its port written otherwise'],
  'with a letter percent-encoded',
]

/** Of a digest. */
const ofDigest = [
  ...['with another first character', 'with another character in the middle', 'with another last character'],
  ...['without its first character', 'without its last character', 'with more before it', 'with more behind it'],
  ...['with a blank behind it', 'with a NUL and more behind it'],
]
const ofWord = [
  ...['with another character in the middle', 'with another last character', 'without its last character'],
  ...['with more before it', 'in another case', 'with a NUL and more behind it', 'with more behind it'],
  ...['with a look-alike letter', 'beside another, with a comma between'],
]
const ofType = [
  ...['without its last character', 'with another last character', 'with more before it', 'with more behind it'],
  'with a NUL and more behind it',
]

function nearly(value: string, names: readonly string[]): string[] {
  return names.map((name) => `${value} ${name}`)
}

const anyTypes = [
  ...['a client assertion', 'an enrolment token', 'a logout token', 'an introspection answer'],
  ...['a security event', 'a proof of possession', 'no typ at all', 'typ as a list', 'typ with a blank'],
  ...nearly('typ', ofType),
]
const otherAudiences = [
  ...['no aud', 'an empty text', 'an empty list', 'another one'],
  ...nearly('aud', [...ofUri, 'beside another, with a comma between', 'in a list, with more behind it']),
]
const otherNodes = ['for another node']

const anyAudience = letIn(
  'RFC 7519 section 4.1.3 wants one of several audiences, and only an issuer that is asked knows what it wrote',
)
const twoHosts = alike(letIn('RFC 9112 section 3.2: a request with two Hosts is answered with 400'), {
  'TLS-13': ['two Hosts'],
})

const haproxyAttacks: KnownDifferences[string] = {
  // A wrong signature leaves its error behind in OpenSSL, and what reads next from any connection takes it for its own.
  ...alike(
    {
      comes: 'works: a good caller is turned away',
      against: 'GEN-37: whoever sends wrong signatures ends the connections of others (haproxy issue 2643)',
    },
    { 'GEN-37': ['forged tokens of one caller'] },
  ),
  ...alike(letIn('RFC 9112 section 3.2: a request without Host is answered with 400'), { 'TLS-13': ['no Host'] }),
}

const withoutNul = (name: string) => !name.includes('a NUL')
const isRefused = (name: string) => withoutNul(name) && !name.includes('a blank')

const apacheAttacks: KnownDifferences[string] = {
  'GEN-04 65 bytes': letIn('RFC 7518 section 3.4: a signature with P-256 has 64 bytes'),
  ...alike(letIn('RFC 7515 section 4.1.11: what is critical and not understood ends the token'), {
    'GEN-12': ['crit names cnf', 'crit names an absent header', 'crit is no list'],
    'GEN-13': ['b64 false with crit'],
  }),
  // A header that holds a NUL it does not read at all.
  ...alike(anyType, { 'GEN-14': anyTypes.filter(withoutNul) }),
  ...alike(notBefore, { 'GEN-17': ['nbf just past the skew'], 'PEER-30': ['not to be used yet'] }),
  ...alike(otherCode, {
    'GEN-14': ['an ID token that is said to be an access token'],
    'GEN-18': [...otherAudiences.filter(isRefused), 'a list in a list', 'an object'],
    'PEER-27': otherNodes,
    'GEN-38': nearly('iss', ofUri).filter(isRefused),
  }),
  ...alike(letIn('RFC 7519 section 2: no blank is taken away before an issuer or an audience is compared'), {
    'GEN-18': ['aud with a blank behind it'],
    'GEN-38': ['iss with a blank behind it'],
  }),
  ...alike(letIn('RFC 7519 section 4.1.1: an issuer is one text'), { 'GEN-38': ['iss in a list'] }),
  ...alike(otherStatus, {
    'GEN-39': [
      ...nearly('scope', ofWord.filter(withoutNul)),
      ...['scope in a list, with more behind it', 'scope twice, another one last'],
    ],
  }),
  ...alike(
    { comes: '401 invalid_token', against: 'RFC 8259 section 9: a payload that holds a NUL it does not read' },
    {
      'GEN-39': ['scope with a NUL and more behind it'],
    },
  ),
}

const expressAttacks: KnownDifferences[string] = {
  ...alike(letIn('RFC 9700 section 4.3.2: a token in a query ends up in logs'), {
    'GEN-27': ['in the query alone', 'in the query, its name encoded'],
  }),
  ...twoHosts,
  ...alike(
    { comes: '400 invalid_request', against: 'RFC 9112 section 3.2.2: a target with its host is accepted' },
    { 'TLS-13': ['the right Host, and a target that names it, too'] },
  ),
}

/** Attacks on the gateways of `fixtures/controls/debian.json`; on the one that is set up as it should not be, those on the binding. */
export const debianAttacks: KnownDifferences = {
  'haproxy resource:read': haproxyAttacks,
  'apache resource:read': apacheAttacks,
  'apache-optional resource:read': {
    ...alike(letIn(unbound), {
      'PEER-04': ['without cnf'],
      // Whatever it does not take for a binding is no binding.
      'PEER-14': ['cnfSha1', 'cnfOtherMember', 'cnfArray', 'cnfNull', 'cnfInList', 'cnfString', 'cfn', 'extCnf'],
    }),
  },
}

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
  }),
}
const md5 = alike(letIn(unlooked), { 'TLS-09': ['signed with MD5'] })

const certificateHeaders = [
  ...['Client-Cert', 'X-SSL-Client-Cert', 'X-Client-Cert', 'X-Forwarded-Client-Cert', 'X-Forwarded-Tls-Client-Cert'],
  ...['Ssl-Client-Cert', 'those of load balancers'],
]

/** On gateways that do not look at the binding, where a certificate is demanded. */
const ofAnyHolder: KnownDifferences[string] = {
  ...alike(letIn(notHolder), {
    'PEER-01': ['over the certificate of a third node', 'over another certificate of the holder'],
    'PEER-08': ['over a certificate of a CA that the target trusts'],
    'PEER-15': ['the old token over the renewed certificate'],
    'TLS-10': ["one's own, then the victim's", "one's own, the victim's between it and its CA"],
    'TLS-17': ['a token that is bound to another certificate, after an accepted request'],
    // No header makes it worse: nobody looks at them, and nobody looks at the certificate of the connection.
    'TLS-21': certificateHeaders.map((name) => `${name}, beside another certificate`),
    'TLS-22': ['with underscores', 'twice, in two cases'],
    'TLS-23': ['a token of another certificate'],
    'TLS-29': ["the target's own certificate with the caller's token"],
  }),
  ...alike(letIn(unbound), {
    'PEER-04': ['without cnf'],
    'PEER-14': [
      ...[
        'cnfHexThumbprint',
        'cnfColons',
        'cnfPadded',
        'cnfStandardBase64',
        'cnfUpperCased',
        'cnfSha1',
        'cnfOtherMember',
        'cnfNull',
        'cnfLongerByBits',
        'cfn',
        'extCnf',
      ],
      ...nearly('x5t#S256', ofDigest),
      ...['cnfOfSpki', 'cnfOfPem', 'cnfOfChain'],
    ],
  }),
}

const beginsAlike = letIn('RFC 8705 section 3: a thumbprint is that of the certificate, and none that begins alike')
const scopeWithin = alike(letIn('RFC 6749 section 3.3: a scope is one of several words, and no part of one'), {
  'GEN-39': [
    ...nearly('scope', ['with more before it', 'with more behind it', 'with a NUL and more behind it']),
    ...['scope beside another, with a comma between', 'scope twice, another one last'],
  ],
})

/** The same for `fixtures/controls/npm.json`; on those that take any certificate, those on the chain. */
export const npmAttacks: KnownDifferences = {
  'express resource:read': expressAttacks,
  'express-unset resource:read': {
    ...ofAnyHolder,
    ...alike(letIn(notHolder), {
      'PEER-02': ['no client certificate'],
      'TLS-01': ['over TLS 1.3', 'over TLS 1.2'],
      'TLS-21': ['all of them, and no certificate'],
    }),
    ...alike(letIn(unbound), { 'PEER-14': ['cnfArray', 'cnfInList', 'cnfString'] }),
  },
  'express-nearly resource:read': {
    ...alike(letIn('RFC 7519 section 2: an audience is compared whole, and ours only begins with theirs'), {
      'GEN-18': ['an empty text', 'aud without its last character'],
    }),
    ...alike(letIn('RFC 9068 section 4: an issuer is exactly the one that is known'), {
      'GEN-38': ['iss in another case', 'iss with a slash behind it'],
    }),
    ...scopeWithin,
    ...alike(beginsAlike, {
      'PEER-14': [
        ...nearly('x5t#S256', ['with another character in the middle', 'with another last character']),
        'cnfLongerByBits',
      ],
    }),
  },
  'express-anybody resource:read': { ...ofAnybody, ...md5 },
  'https-unverified resource:read': { ...ofAnybody, ...md5 },
}

const forOthers = 'RFC 9068 section 4: aud names whom a token is for (PEER-27)'
/** Cells of the matrix of `fixtures/controls/go.json`. */
export const goCells: KnownDifferences = {
  'go-any-certificate resource:read': anyChain('go-any-certificate'),
  'go-any-audience resource:read': { 'alice-at-go, over cert-alice': letIn(forOthers) },
  'go-unbound resource:read': anyHolder('go-unbound'),
}

/** Attacks on the gateways of `fixtures/controls/go.json`; on those with a fault, those that are about it. */
export const goAttacks: KnownDifferences = {
  // Its crypto/x509 knows no MD5.
  'go-any-certificate resource:read': ofAnybody,
  'go-any-audience resource:read': alike(letIn(forOthers), {
    'GEN-18': otherAudiences,
    'PEER-27': otherNodes,
  }),
  'go-unbound resource:read': ofAnyHolder,
  'go-scope-within resource:read': scopeWithin,
}

/** Cells of the matrix of `fixtures/controls/python.json`. */
export const pythonCells: KnownDifferences = {
  'python-cnf-if-there resource:read': {
    'alice-at-python-cnf-if-there, unbound, over cert-alice': letIn(unbound),
  },
}

/** Attacks on the gateways of `fixtures/controls/python.json`; on those with a fault, those that are about it. */
export const pythonAttacks: KnownDifferences = {
  'python-cnf-if-there resource:read': alike(letIn(unbound), {
    'PEER-04': ['without cnf'],
    'PEER-14': ['cfn', 'extCnf'],
  }),
  'python-any-type resource:read': alike(anyType, { 'GEN-14': anyTypes }),
  'python-thumbprint-prefix resource:read': alike(beginsAlike, {
    'PEER-14': [
      ...nearly('x5t#S256', ['with another character in the middle', 'with another last character']),
      'cnfLongerByBits',
    ],
  }),
}

const added = 'RFC 9440 section 2.4: who ends TLS removes or overwrites the header of a caller'
const heard = 'RFC 9440 section 4: the program takes the header from its proxy and from nobody else'

/** A proxy that leaves what a caller wrote where the program finds it, first or alone. */
const handedOn: KnownDifferences[string] = {
  ...alike(
    { ...letIn(added), fault: 'the proxy in front of' },
    {
      'TLS-21': ['the header of its own, beside another certificate'],
      'TLS-22': ['the header of its own, twice, in two cases'],
    },
  ),
  ...alike(
    { comes: '401 invalid_token', against: added },
    { 'TLS-21': ["the header of its own with a stranger's, beside the right certificate"] },
  ),
}

/** A program that whoever reaches its port can tell what certificate he has. */
const hearsAnybody = alike(
  { ...letIn(heard), fault: 'the program: whoever reaches its port 8080 is believed' },
  {
    'TLS-24': [
      ...['the right certificate in the header', 'the right certificate in the header, twice'],
      'the right certificate in the header, and its proxy named as where the call comes from',
    ],
  },
)

/** Attacks on the programs of `fixtures/controls/proxied.json`: `behind-haproxy` and `behind-nginx` are as they should be. */
export const proxiedAttacks: KnownDifferences = {
  'behind-haproxy-adds resource:read': handedOn,
  'behind-nginx-keeps resource:read': handedOn,
  'behind-haproxy-named resource:read': alike(
    { ...letIn('RFC 4514: a name holds any character, and is escaped where others have a meaning'), fault: 'between' },
    { 'TLS-25': ['an element in the name of its own certificate'] },
  ),
  'behind-haproxy-open resource:read': hearsAnybody,
  'behind-nginx-open resource:read': hearsAnybody,
}

/** Attacks with tokens of another mint, on an orchestrator that does not ask it about them. */
export const mintAttacks: KnownDifferences = {
  'node-b peering:connect': {
    'GEN-18 beside another one that the issuer never wrote': anyAudience,
  },
}

/** The wrong gateway of `fixtures/controls/liberties-too-far.json`. */
export const liberties: KnownDifferences = {
  'wrong resource:read': {
    ...alike(letIn('RFC 7519 section 4.1.4: a leeway is what was declared, and no more'), {
      'GEN-17': ['exp just past the skew', 'nbf just past the skew'],
    }),
    ...alike(letIn('RFC 7519 section 4: of two the last one counts, or none'), {
      'GEN-20': ['cnf twice, another one last'],
    }),
    'GEN-24 the token in a cookie': {
      comes: '401 *',
      against: 'RFC 6750 section 3: whoever presents nothing is told by a challenge how to',
    },
    'PEER-14 cnfString': { comes: '500 *', against: 'RFC 6750 section 3.1: a token that is malformed is invalid' },
    ...alike(letIn('RFC 9110 section 9.3.2: HEAD is judged as GET is'), {
      'TLS-30': ['without a token', 'with a token that has ended'],
    }),
    'TLS-31 PROPFIND': {
      comes: 'works: its Allow is absent',
      against: 'RFC 9110 section 15.5.6: a 405 says which methods are allowed',
    },
  },
}
