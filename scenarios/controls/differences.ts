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
  'https-unverified resource:read': {
    'no token, over a certificate like cert-auth of an unknown CA': letIn(unverified),
    'no token, over a certificate like cert-auth that has expired': letIn(unverified),
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

const haproxyAttacks: KnownDifferences[string] = {
  'GEN-20 cnf twice, another one last': {
    ...allowed('401 invalid_token', 'RFC 7519 section 4 leaves it to refuse a claim that stands twice'),
    reason: 'claim_invalid',
  },
  'GEN-20 cnf twice, the right one last': {
    ...allowed('401 invalid_token', 'RFC 7519 section 4 leaves it to refuse a claim that stands twice'),
    reason: 'claim_invalid',
  },
}

const apacheAttacks: KnownDifferences[string] = {
  'GEN-04 65 bytes': letIn('RFC 7518 section 3.4: a signature with P-256 has 64 bytes'),
  ...alike(noText, { 'GEN-08': ['a number', 'a list', 'null'] }),
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
}

/** Attacks on the gateways of `fixtures/controls/debian.json`; on the one that is set up as it should not be, those on the binding. */
export const debianAttacks: KnownDifferences = {
  'haproxy resource:read': haproxyAttacks,
  'apache resource:read': apacheAttacks,
  'apache-optional resource:read': alike(letIn(unbound), {
    'PEER-04': ['without cnf'],
    // Whatever it does not take for a binding is no binding.
    'PEER-14': ['cnfSha1', 'cnfArray', 'cnfString', 'cfn', 'extCnf'],
  }),
}

/** The same for `fixtures/controls/npm.json`; on https without a root, those on the chain of a certificate. */
export const npmAttacks: KnownDifferences = {
  'express resource:read': expressAttacks,
  'express-unset resource:read': {
    ...alike(letIn(notHolder), {
      'PEER-01': ['over the certificate of a third node', 'over another certificate of the holder'],
      'PEER-02': ['no client certificate'],
      'PEER-08': ['over a certificate of a CA that the target trusts'],
      'PEER-15': ['the old token over the renewed certificate'],
      'TLS-01': ['over TLS 1.3', 'over TLS 1.2'],
    }),
    ...alike(letIn(unbound), {
      'PEER-04': ['without cnf'],
      'PEER-14': [
        ...['cnfHexThumbprint', 'cnfColons', 'cnfPadded', 'cnfStandardBase64', 'cnfUpperCased', 'cnfSha1', 'cnfArray'],
        ...['cnfString', 'cfn', 'extCnf', 'cnfOfSpki', 'cnfOfPem', 'cnfOfChain'],
      ],
    }),
  },
  'https-unverified resource:read': alike(letIn(unverified), {
    'TLS-02': ['expired', 'not yet valid'],
    'TLS-03': ['of a CA that nobody trusts'],
  }),
}

/** Attacks with tokens of another mint, on an orchestrator that does not ask it about them. */
export const mintAttacks: KnownDifferences = {
  'node-b peering:connect': {
    'GEN-18 beside another one that the issuer never wrote': allowed(
      'accepted',
      'RFC 7519 section 4.1.3 wants one of several audiences, and only an issuer that is asked knows what it wrote',
    ),
  },
}
