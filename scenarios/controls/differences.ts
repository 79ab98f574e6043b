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
    'alice-at-express-unset, without scope, over cert-auth': {
      comes: '403 insufficient_scope',
      against: 'RFC 8705 section 3: the binding does not hold, whatever the scope',
    },
  },
}
