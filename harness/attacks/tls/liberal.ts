import type { Credential } from '../../site/credential.ts'
import { markJudged } from '../../site/judging.ts'
import type { Verdict } from '../../site/verdict.ts'
import { calling, cases, leftOpen, steps, strictly, type Variant } from '../attack.ts'
import { forged, withClaim } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A0, A1, accepted, either, type Outcome, refused } from '../outcome.ts'
import { rewritten } from './pretence.ts'

const seldom = leftOpen('who sends a field sends one blank (RFC 9110 section 5.6.3), and nginx takes away nothing else')

/** As an auth server tells it, and as everybody else does. */
const notAllowed = either(
  refused(405, 'method_not_allowed', 'method_not_allowed'),
  refused(405, 'invalid_request', 'method_not_allowed'),
)
/** Who looks at no method takes any; who does not know it may say so (RFC 9110 section 9.1), or what else comes first. */
const ignored = accepted()
const unknown = [400, 401, 403, 404, 501].map((status) => refused(status, undefined, 'method_not_allowed'))

const fields = /^([\w-]+):[ \t]*(.*)\r$/gm

/** The accepted request with its field lines written otherwise, and meaning the same. */
const writing = (line: (name: string, value: string) => string): Variant =>
  calling(
    accepted(),
    rewritten((text) => {
      const [head = '', ...rest] = text.split(/(?=\r\n\r\n)/)
      return [`${head}\r`.replaceAll(fields, (_, name, value) => `${line(name, value)}\r`).slice(0, -1), ...rest].join(
        '',
      )
    }),
  )

/** What a server must take, so that whoever writes it so is not turned away, and what it must tell whoever is. */
export const liberal = cases(['tls'], {
  'TLS-30': {
    title: 'a HEAD is answered as a GET is, and opens nothing that GET does not',
    source: 'RFC 9110 sections 9.1 and 9.3.2',
    needs: ['tls', 'speaks:http', 'get'],
    variants: {
      'of whoever is accepted': asking(accepted()),
      'without a token': {
        ...asking(A0('token_missing'), (lab) => lab.good().withoutToken()),
        needs: ['takes:bound-token', 'speaks:http', 'get'],
      },
      'with a token that has ended': {
        ...asking(A1('token_expired'), (lab) => forged(lab, 'expired', withClaim('exp', 1))),
        needs: ['takes:bound-token', 'speaks:http', 'get'],
      },
    },
  },
  'TLS-31': {
    title: 'whoever asks with a method that is not allowed is told which ones are',
    source: 'RFC 9110 section 15.5.6',
    needs: ['tls', 'speaks:http'],
    variants: { PROPFIND: strictly(notAllowed, steps(either(notAllowed, ignored, ...unknown), withPropfind)) },
  },
  'TLS-32': {
    title: 'a field is the same in any case, with and without the blanks that are optional',
    source: 'RFC 9110 sections 5.1 and 5.6.3; RFC 9112 section 5.1',
    variants: {
      'no blank behind the colon': writing((name, value) => `${name}:${value}`),
      'blanks around the value': writing((name, value) => `${name}:   ${value}  `),
      'tabs around the value': seldom(writing((name, value) => `${name}:\t${value}\t`)),
      'names in lower case': writing((name, value) => `${name.toLowerCase()}: ${value}`),
      'names in upper case': writing((name, value) => `${name.toUpperCase()}: ${value}`),
    },
  },
})

/** A resource need not allow HEAD; then it says so to everybody (RFC 9110 section 15.5.6). */
function asking(expect: Outcome, presented?: (lab: Lab) => Credential): Variant {
  return strictly(
    expect,
    steps(either(expect, notAllowed), async (lab) => {
      lab.judge(await lab.call(), accepted())
      const head = await lab.call(lab.good(), { method: 'HEAD' })
      if (presented === undefined || !head.promised) return head
      lab.judge(head, accepted())
      return lab.call(presented(lab), { method: 'HEAD' })
    }),
  )
}

/** A method that changes nothing, whoever knows it (RFC 4918 section 9.1). */
async function withPropfind(lab: Lab): Promise<Verdict> {
  lab.judge(await lab.call(), accepted())
  const [{ method: own = '' }] = Object.values(lab.planned.action.request) as [{ method?: string }]
  const verdict = await lab.call(lab.good(), { method: 'PROPFIND' })
  // By what is demanded of it; who is known to fail that is judged by nothing more.
  markJudged(verdict)
  const { status, allow } = verdict
  const named = allow?.split(/[ \t]*,[ \t]*/) ?? []
  const isRight = named.includes(own) && !named.includes('PROPFIND')
  lab.demand(
    status !== 405 || isRight,
    `it answers 405 to PROPFIND, and its Allow is ${allow ?? 'absent'}: it must name ${own}`,
  )
  return verdict
}
