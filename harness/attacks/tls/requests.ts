import type { Verdict } from '../../site/verdict.ts'
import { cases, leftOpen, type Variant } from '../attack.ts'
import { accepted, either, refused } from '../outcome.ts'

const unreadable = refused(400, undefined, 'request_unreadable')

/**
 * A request whose length two readers could take for two things, with a whole second one behind its end: by the accepted credential, so
 * that the second one would be accepted, too. `lines` stand at the end of the head.
 */
const ambiguous = (lines: readonly string[], body: string): Variant => ({
  expect: unreadable,
  attack: (lab) =>
    lab.call(lab.good(), {
      raw: {
        bytes: (text) => {
          const first = text.replace(/^Connection: close\r\n/m, '').replace(/^Content-Length: .+\r\n/im, '')
          const [head = ''] = first.split('\r\n\r\n')
          return [`${head}\r\n${lines.join('\r\n')}\r\n\r\n${body}${text}`]
        },
      },
    }),
})

/**
 * Both a length and chunks: who reads the chunks alone may, and must end the connection then, so that what stands behind is nobody's
 * request (RFC 9112 section 6.1).
 */
const twofold = (lines: readonly string[], body: string): Variant => ({
  expect: either(unreadable, accepted()),
  at: { 'strict-verifier': unreadable },
  attack: async (lab) => {
    const verdict = (await ambiguous(lines, body).attack(lab)) as Verdict
    const { answers = 0, isClosed = true } = verdict.wire ?? {}
    lab.demand(answers <= 1 && isClosed, `it reads on behind a request whose end is in doubt: ${answers} answers came`)
    return verdict
  },
})

/** The head of the accepted request with another form. */
const misformed = (change: (text: string) => string): Variant => ({
  expect: unreadable,
  attack: (lab) => lab.call(lab.good(), { raw: { bytes: (text) => [change(text)] } }),
})

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
      ...leftOpen('equal lengths may be taken for one (RFC 9110 section 8.6)', {
        'two lengths that are alike': ambiguous(['Content-Length: 2', 'Content-Length: 2'], '{}'),
        'a list of lengths': ambiguous(['Content-Length: 2, 2'], '{}'),
      }),
      'a length below zero': ambiguous(['Content-Length: -1'], ''),
      'a length with a sign': ambiguous(['Content-Length: +2'], '{}'),
      'a length in hexadecimal': ambiguous(['Content-Length: 0x2'], '{}'),
      'an encoding that looks like chunks': ambiguous(['Transfer-Encoding: xchunked'], '0\r\n\r\n'),
      'chunks that are not the last encoding': ambiguous(['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'),
      'chunks in a field with a space before the colon': ambiguous(['Transfer-Encoding : chunked'], '0\r\n\r\n'),
      ...leftOpen('a fold may be read as a blank (RFC 9112 section 5.2)', {
        'chunks on a folded line': ambiguous(['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'),
      }),
      'an upgrade with a length': {
        ...ambiguous(['Content-Length: 2'], '{}'),
        needs: ['tls', 'speaks:websocket'],
      },
      'an upgrade with chunks': { ...ambiguous([chunked], '0\r\n\r\n'), needs: ['tls', 'speaks:websocket'] },
      ...leftOpen(
        'a line feed may be taken for the end of a line, and a carriage return for a blank (RFC 9112 section 2.2)',
        {
          'lines that end in a line feed alone': misformed((text) => text.replaceAll('\r\n', '\n')),
          'a carriage return within a line': misformed((text) => text.replace('\r\n\r\n', '\r\nX: a\rY: b\r\n\r\n')),
        },
      ),
      ...leftOpen('a NUL may be taken for a blank (RFC 9110 section 5.5)', {
        'a NUL within a line': misformed((text) => text.replace('\r\n\r\n', '\r\nX: a\0b\r\n\r\n')),
      }),
      ...leftOpen('a version may be refused, and need not (RFC 9110 section 15.6.6)', {
        'a version that is none': misformed((text) => text.replace('HTTP/1.1', 'HTTP/9.9')),
      }),
    },
  },
})
