import type { Check, Checked, State } from '../checks.ts'

/** What was done to the token, or to its grant. */
const ofTokens = {
  used: spoiled('used'),
  expired: spoiled('expired'),
  unknown: { ...spoiled('unknown'), text: (name) => `a token like ${name} that nobody made` },
  'in upper case': spoiled('in upper case'),
  'cut short': spoiled('cut short'),
  'of a revoked grant': spoiled('of a grant that was revoked'),
  'of an active grant': spoiled('of a grant that was taken up by another token'),
} satisfies Record<string, State>

/** What is wrong with the request that comes with it; it is good for another one afterwards. */
const ofRequests = {
  'with a garbled request': spoiled('with a garbled request'),
  'with a weak key': spoiled('with a weak key'),
  'with a weak digest': spoiled('with a request signed by way of SHA-1'),
  'with a request of another key': spoiled('with a request that its key did not sign'),
  'for another name': spoiled('with a request for another name'),
  'with a key of before': spoiled('with a key that was certified before'),
} satisfies Record<string, State>

export type SpoiledInvitation = keyof typeof ofTokens | keyof typeof ofRequests

function spoiled(how: string): State {
  return { text: (name) => `${name}, ${how}`, unnoticed: 'nobody looks at that' }
}

const checks: Readonly<Record<string, Check>> = {
  presented: {
    because: 'nobody is certified without an invitation',
    unmade: { means: 'whoever asks is certified', clause: 'RFC 7030 section 3.2.3' },
    passes: ({ invitation }) => invitation !== undefined,
  },
  known: isNone('nobody made that token', ['unknown', 'in upper case', 'cut short']),
  unused: isNone('the token was used', ['used']),
  'not-expired': isNone('the token has expired', ['expired']),
  'grant-alive': isNone('the grant of the token has ended', ['of a revoked grant']),
  'grant-pending': isNone('the grant of the token is taken up', ['of an active grant']),
  readable: isNone('the request cannot be read', ['with a garbled request']),
  'strong-key': isNone('the key of the request is weak', ['with a weak key']),
  'strong-digest': isNone('the digest of the request is weak', ['with a weak digest']),
  signed: isNone('the key of the request did not sign it', ['with a request of another key']),
  named: isNone('the request is for another name than that of the peer', ['for another name']),
  'new-key': isNone('the key was certified before', ['with a key of before']),
}

/** A check with which a token cannot fail that is not there. */
function isNone(because: string, wrong: readonly string[]): Check {
  return {
    because,
    passes: ({ invitation }) => invitation === undefined || !wrong.includes(invitation.state),
  }
}

export const invitationChecks: Checked = {
  spoiledBeside: 'everything',
  states: { fresh: { text: (name) => name }, ...ofTokens, ...ofRequests },
  absent: 'without an invitation',
  checks,
}
