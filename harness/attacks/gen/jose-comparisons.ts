import { nearMissesOf } from '../../tokens/near-misses.ts'
import { cases, leftOpen, nearly, type Variant } from '../attack.ts'
import { type Forgery, forging, withClaim, withoutClaim } from '../forgery.ts'
import { A1, A3, either } from '../outcome.ts'

const otherForm = leftOpen(
  'an issuer writes scope as one text (RFC 9068 section 2.2.3), and what comes of another form is not said',
)
const scopeBound = ['takes:bound-token', 'checks:bound-token/scope']
const insufficient = A3('scope_insufficient')
/** Whoever looks at forms first finds something wrong there. */
const noScope = either(insufficient, A1('claim_invalid', 'claim_missing'))
const algNames = [
  ...['in another case', 'without its last character', 'with a blank behind it', 'with a NUL and more behind it'],
] as const

/** What stands in a token beside what a verifier knows: the same to the last character, or it is something else. */
export const comparisons = cases(['takes:bound-token'], {
  'GEN-38': {
    title: 'an issuer is known by its whole URL, character by character',
    follows: 'bound-token/issuer',
    source: 'RFC 9068 section 4; RFC 7519 section 2',
    variants: nearly('iss', [...nearMissesOf.uri, 'in a list'], (made) =>
      forging(A1('issuer_untrusted', 'claim_invalid'), ({ trust }) => withClaim('iss', made(trust.issuer!))),
    ),
  },
  'GEN-39': {
    title: 'a scope is granted by one whole word of the list',
    follows: 'bound-token/scope',
    source: 'RFC 6749 section 3.3; RFC 9068 section 2.2.3',
    needs: scopeBound,
    variants: {
      ...nearly(
        'scope',
        nearMissesOf.word.filter((name) => name !== 'with a blank behind it'),
        granting,
      ),
      ...nearly('scope', ['in a list, with more behind it'], (made) => ({ ...granting(made), expect: noScope })),
      ...nearly('scope', ['in a list'], (made) => otherForm({ ...granting(made), expect: noScope })),
      'scope twice, another one last': forging(noScope, ({ trust: { scope } }) => twice(scope!)),
      'scp in its place': otherForm(
        forging(noScope, ({ trust: { scope } }) => ({
          claims: (own) => ({ ...withoutClaim('scope').claims!(own), scp: scope }),
        })),
      ),
    },
  },
  'GEN-40': {
    title: 'a list of nodes names each of them whole',
    follows: 'bound-token/node',
    source: 'RFC 9700 section 2.3',
    needs: ['takes:bound-token', 'checks:bound-token/node'],
    variants: {
      ...nearly('a node', nearMissesOf.word, (made) =>
        forging(A3('node_not_trusted'), ({ trust: { node } }) => withClaim('trusted_nodes', [made(node!)])),
      ),
      'a text that holds the node': forging(A1('claim_invalid'), ({ trust: { node } }) =>
        withClaim('trusted_nodes', `x-${node}`),
      ),
    },
  },
  'GEN-41': {
    title: 'an algorithm is known by its whole name',
    follows: 'bound-token/signature',
    source: 'RFC 7515 section 4.1.1; RFC 8725 section 3.1',
    variants: nearly('alg', algNames, (made) =>
      forging(A1('alg_not_allowed'), async (lab) => ({
        header: { alg: made((await lab.signingKey()).alg ?? 'ES256') },
      })),
    ),
  },
})

/** Nothing but this, in place of all that the token grants. */
function granting(made: (own: string) => unknown): Variant {
  return forging(insufficient, ({ trust: { scope } }) => withClaim('scope', made(scope!)))
}

/** A parser that does not refuse returns the last of two (RFC 7519 section 4). */
function twice(scope: string): Forgery {
  return {
    ...withClaim('scope', `${scope}-x`),
    payloadText: (payload) => `{"scope":${JSON.stringify(scope)},${payload.slice(1)}`,
  }
}
