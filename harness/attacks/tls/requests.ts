import { markJudged } from '../../site/judging.ts'
import type { Verdict } from '../../site/verdict.ts'
import { calling, cases, leftOpen, steps, strictly, type Variant } from '../attack.ts'
import { accepted, either, refused } from '../outcome.ts'
import { rewritten, withLines } from './pretence.ts'

const unreadable = refused(400, undefined, 'request_unreadable')

/**
 * A request whose length two readers could take for two things, with a whole second one behind its end: by the accepted credential, so
 * that the second one would be accepted, too. `lines` stand at the end of the head.
 */
const ambiguous = (lines: readonly string[], body: string): Variant =>
  misformed((text) => {
    const first = text.replace(/^Connection: close\r\n/m, '').replace(/^Content-Length: .+\r\n/im, '')
    const [head = ''] = first.split('\r\n\r\n')
    return `${head}\r\n${lines.join('\r\n')}\r\n\r\n${body}${text}`
  })

/**
 * Both a length and chunks: who reads the chunks alone may, and must end the connection then, so that what stands behind is nobody's
 * request (RFC 9112 section 6.1).
 */
const twofold = (lines: readonly string[], body: string): Variant =>
  strictly(
    unreadable,
    steps(either(unreadable, accepted()), async (lab) => {
      const verdict = (await ambiguous(lines, body).attack(lab)) as Verdict
      // By what is demanded of it; who is known to fail that is judged by nothing more.
      markJudged(verdict)
      const { answers = 0, isClosed = true } = verdict.wire ?? {}
      lab.demand(
        answers <= 1 && isClosed,
        `it reads on behind a request whose end is in doubt: ${answers} answers came`,
      )
      return verdict
    }),
  )

const equalLengths = leftOpen('equal lengths may be taken for one (RFC 9110 section 8.6)')
const foldedLine = leftOpen('a fold may be read as a blank (RFC 9112 section 5.2)')
const otherEnds = leftOpen(
  'a line feed may be taken for the end of a line, and a carriage return for a blank (RFC 9112 section 2.2)',
)
const nulAsBlank = leftOpen('a NUL may be taken for a blank (RFC 9110 section 5.5)')
const anyVersion = leftOpen('a version may be refused, and need not (RFC 9110 section 15.6.6)')

const chunked = 'Transfer-Encoding: chunked'

/** Requests of which it is not beyond doubt where they end. */
export const requests = cases(['tls'], {
  'TLS-26': {
    title: 'a request whose end is in doubt is refused, and nothing behind it is read',
    source: 'RFC 9112 sections 2.2, 5.1, 6.1 and 6.3',
    variants: {
      'a length, and chunks that end before it': twofold(['Content-Length: 64', chunked], '0\r\n\r\n'),
      'chunks, and a length that ends before them': twofold([chunked, 'Content-Length: 4'], '5c\r\n'),
      'two lengths that differ': ambiguous(['Content-Length: 0', 'Content-Length: 64'], ''),
      'two lengths that are alike': equalLengths(ambiguous(['Content-Length: 2', 'Content-Length: 2'], '{}')),
      'a list of lengths': equalLengths(ambiguous(['Content-Length: 2, 2'], '{}')),
      'a length below zero': ambiguous(['Content-Length: -1'], ''),
      'a length with a sign': ambiguous(['Content-Length: +2'], '{}'),
      'a length in hexadecimal': ambiguous(['Content-Length: 0x2'], '{}'),
      'an encoding that looks like chunks': ambiguous(['Transfer-Encoding: xchunked'], '0\r\n\r\n'),
      'chunks that are not the last encoding': ambiguous(['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'),
      'chunks in a field with a space before the colon': ambiguous(['Transfer-Encoding : chunked'], '0\r\n\r\n'),
      'chunks on a folded line': foldedLine(ambiguous(['Transfer-Encoding:', ' chunked'], '0\r\n\r\n')),
      'an upgrade with a length': { ...ambiguous(['Content-Length: 2'], '{}'), needs: ['tls', 'speaks:websocket'] },
      'an upgrade with chunks': { ...ambiguous([chunked], '0\r\n\r\n'), needs: ['tls', 'speaks:websocket'] },
      'lines that end in a line feed alone': otherEnds(misformed((text) => text.replaceAll('\r\n', '\n'))),
      'a carriage return within a line': otherEnds(calling(unreadable, withLines('X: a\rY: b'))),
      'a NUL within a line': nulAsBlank(calling(unreadable, withLines('X: a\0b'))),
      'a version that is none': anyVersion(misformed((text) => text.replace('HTTP/1.1', 'HTTP/9.9'))),
    },
  },
})

/** The accepted request in another form. */
function misformed(change: (text: string) => string): Variant {
  return calling(unreadable, rewritten(change))
}
