import type { HeaderLines } from '../../protocols/http/exchange.ts'
import type { CallOptions } from '../../site/call.ts'
import { cases, leftOpen, strictly, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { A0, A2, accepted, either, type Outcome } from '../outcome.ts'

const otherMethods = leftOpen(
  'the other methods are optional, and who does not know them sees one token (RFC 6750 sections 2.2 and 2.3)',
)
const anyBlanks = leftOpen('one or more blanks stand between scheme and token (RFC 6750 section 2.1)')
const otherBlank = leftOpen('who reads what is malformed may make the best of it (RFC 9110 section 2.4)')
const fieldTwice = leftOpen(
  'what a recipient does with a field that must not stand twice is its own choice (RFC 9110 section 5.3)',
)

/** Ways of sending a token that RFC 6750 does not know, or not all at once. */
export const carriers = cases(['takes:bound-token'], {
  'GEN-24': {
    title: 'nothing, another scheme and half a header are told apart',
    source: 'RFC 6750 section 3.1',
    variants: {
      'no Authorization': sent(A0('token_missing'), () => []),
      'an empty one': otherwise(() => authorization('')),
      Basic: otherwise(() => authorization('Basic eDp4')),
      'the token without a scheme': otherwise((token) => authorization(token)),
      'a scheme that begins like it': otherwise((token) => authorization(`Bearers ${token}`)),
      DPoP: otherwise((token) => authorization(`DPoP ${token}`)),
      'Bearer alone': sent(A2('token_carrier_invalid'), () => [authorization('Bearer')]),
      'Bearer and a blank': sent(A2('token_carrier_invalid'), () => [authorization('Bearer ')]),
      'the token in a cookie': sent(A0('token_missing'), (token) => [['Cookie', `access_token=${token}`]]),
      'the token in a header of its own': sent(A0('token_missing'), (token) => [['X-Access-Token', token]]),
      'Proxy-Authorization': sent(A0('token_missing'), (token) => [['Proxy-Authorization', `Bearer ${token}`]]),
    },
  },
  'GEN-25': {
    title: 'the scheme is known in any case',
    source: 'RFC 9110 section 11.1',
    variants: {
      bearer: sent(accepted(), (token) => [authorization(`bearer ${token}`)]),
      BEARER: sent(accepted(), (token) => [authorization(`BEARER ${token}`)]),
    },
  },
  'GEN-26': {
    title: 'what stands after the scheme is one token',
    source: 'CVE-2026-0707; RFC 6750 section 2.1',
    variants: {
      'a tab': otherBlank(malformed((token) => `Bearer\t${token}`)),
      'two blanks': anyBlanks(malformed((token) => `Bearer  ${token}`)),
      'a list': malformed((token) => `Bearer ${token},Bearer ${token}`),
      'twice the token': malformed((token) => `Bearer ${token} ${token}`),
      'in quotes': malformed((token) => `Bearer "${token}"`),
      'a parameter behind it': malformed((token) => `Bearer ${token};x`),
      'a parameter before it': malformed((token) => `Bearer realm="x", ${token}`),
      'a comma before it': malformed((token) => `Bearer ,${token}`),
    },
  },
  'GEN-27': {
    title: 'a token comes in the header, and in the header only',
    source: 'RFC 6750 sections 2 and 2.3; RFC 9700 section 4.3.2',
    variants: {
      'in the query, too': otherMethods(inQuery('access_token')),
      'in the query alone': inQuery('access_token', []),
      'in the query, its name encoded': inQuery('access%5Ftoken', []),
      'in a form, too': otherMethods(inForm(true)),
      'in a form alone': inForm(false),
    },
  },
  'GEN-28': {
    title: 'of two Authorization headers none is chosen',
    source: 'RFC 9110 section 5.3; RFC 6750 section 3.1',
    variants: {
      'good, then bad': fieldTwice(twice((token) => [`Bearer ${token}`, 'Bearer bad'])),
      'bad, then good': twice((token) => ['Bearer bad', `Bearer ${token}`]),
      'twice the same': fieldTwice(twice((token) => [`Bearer ${token}`, `Bearer ${token}`])),
      'Basic, then good': twice((token) => ['Basic eDp4', `Bearer ${token}`]),
      'good, then an empty one': fieldTwice(twice((token) => [`Bearer ${token}`, ''])),
      'good, then one in lower case': fieldTwice(
        sent(A2('token_carrier_invalid'), (token) => [
          authorization(`Bearer ${token}`),
          ['authorization', 'Bearer bad'],
        ]),
      ),
    },
  },
})

function authorization(value: string): readonly [string, string] {
  return ['Authorization', value]
}

/** The good call with these header lines where the token was. */
function sent(expect: Outcome, headers: (token: string) => HeaderLines): Variant {
  return { expect, attack: async (lab) => lab.call(lab.good(), { headers: headers(await lab.good().token()) }) }
}

/** An Authorization that holds no bearer token: whether it is none or a malformed one is left open (RFC 6750 section 3.1). */
function otherwise(header: (token: string) => HeaderLines[number]): Variant {
  const outcome = either(A0('token_missing'), A2('token_carrier_invalid'))
  return strictly(
    A0('token_missing'),
    sent(outcome, (token) => [header(token)]),
  )
}

function malformed(value: (token: string) => string): Variant {
  return sent(A2('token_carrier_invalid'), (token) => [authorization(value(token))])
}

function twice(values: (token: string) => readonly [string, string]): Variant {
  return sent(A2('token_carrier_invalid'), (token) => values(token).map(authorization))
}

/** The token elsewhere than in the header: more than one element of the call changes, so its positive control is made first. */
function elsewhere(options: (lab: Lab, token: string) => CallOptions, needs?: Variant['needs']): Variant {
  const expect = A2('token_carrier_invalid')
  return {
    expect,
    needs,
    attack: async (lab) => {
      lab.judge(await lab.call(), accepted())
      lab.judge(await lab.call(lab.good(), options(lab, await lab.good().token())), expect)
    },
  }
}

function inQuery(name: string, headers?: HeaderLines): Variant {
  return elsewhere(({ planned }, token) => {
    const [{ path }] = Object.values(planned.action.request) as [{ path: string }]
    return { path: `${path}?${name}=${token}`, headers }
  })
}

function inForm(inHeaderToo: boolean): Variant {
  const type = ['Content-Type', 'application/x-www-form-urlencoded'] as const
  return elsewhere(
    (_, token) => ({
      headers: inHeaderToo ? [type, authorization(`Bearer ${token}`)] : [type],
      body: `access_token=${token}`,
    }),
    ['takes:bound-token', 'speaks:http'],
  )
}
