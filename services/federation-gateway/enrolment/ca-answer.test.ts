import { beforeAll, describe, expect, test } from 'vitest'
import { pemOf } from '../certificates/pem.ts'
import * as made from '../testing/certificates.ts'
import { CaError, chainPem, LARGEST_ANSWER, readSignAnswer } from './ca-answer.ts'

let [leaf, ca] = ['', '']
let root: made.TestCa
beforeAll(async () => {
  root = await made.rootCa('root')
  leaf = pemOf((await root.issue()).raw, 'CERTIFICATE')
  ca = pemOf(root.certificate.raw, 'CERTIFICATE')
})

const answer = (body: unknown, change: object = {}) => {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return { status: 201, contentType: 'application/json', body: bytes, ...change }
}
const read = (body: unknown, change?: object) => chainPem(readSignAnswer(answer(body, change)))
function failure(body: unknown, change?: object): string {
  try {
    return read(body, change)
  } catch (cause) {
    if (!(cause instanceof CaError)) throw cause
    expect(cause.message).toContain(cause.remedy)
    expect(`${cause.message}${cause.stack}${String(cause.cause)}`).not.toMatch(/BEGIN|secret-word/)
    return cause.code
  }
}

describe('an answer', () => {
  test('is the chain, or leaf and CA, or the leaf', () => {
    expect(read({ crt: 'x', ca: 'y', certChain: [leaf, ca], tlsOptions: {} })).toBe(leaf + ca)
    expect(read({ crt: leaf, ca })).toBe(leaf + ca)
    expect(read({ crt: leaf })).toBe(leaf)
    expect(read({ crt: leaf.trimEnd() }, { contentType: 'application/json; charset=utf-8' })).toBe(leaf)
  })

  test.each([200, 202, 204, 301, 302, 100])('of %i is none that step-ca gives', (status) => {
    expect(failure({ crt: leaf }, { status })).toBe('CA_BAD_ANSWER')
  })

  test.each([400, 401, 403, 404, 500, 503])('of %i is a refusal', (status) => {
    expect(failure({ message: 'secret-word' }, { status })).toBe('CA_REFUSED')
  })

  test('is none without a certificate that can be read', () => {
    const odd: unknown[] = [
      ...['', '{', 'null', '[]', '{}', 'secret-word', { crt: 5 }, { crt: '' }, { crt: 'secret-word' }],
      ...[{ certChain: [] }, { certChain: [leaf, 'x'] }, { certChain: leaf }, { certChain: [leaf, null], crt: leaf }],
      ...[{ crt: leaf + leaf }, { crt: leaf, ca: 'x' }, { crt: leaf, ca: 5 }, { ca }],
      ...[{ crt: pemOf(Buffer.from('3003020105', 'hex'), 'CERTIFICATE') }, { crt: leaf.slice(0, -40) }],
      { certChain: Array(6).fill(leaf) },
    ]
    for (const body of odd) expect([body, failure(body)]).toEqual([body, 'CA_BAD_ANSWER'])
  })

  test('is none that is no JSON in UTF-8, or too large', () => {
    expect(failure({ crt: leaf }, { contentType: 'text/html' })).toBe('CA_BAD_ANSWER')
    expect(failure({ crt: leaf }, { contentType: undefined })).toBe('CA_BAD_ANSWER')
    expect(failure({ crt: leaf }, { contentType: 'application/jsonp' })).toBe('CA_BAD_ANSWER')
    const body = Buffer.concat([Buffer.from(JSON.stringify({ crt: leaf, x: '?' })), Buffer.alloc(0)])
    body[body.lastIndexOf('?')] = 0xff
    expect(failure('', { body })).toBe('CA_BAD_ANSWER')
    const padded = (size: number) => JSON.stringify({ crt: leaf }).padEnd(size, ' ')
    expect(read(padded(LARGEST_ANSWER))).toBe(leaf)
    expect(failure(padded(LARGEST_ANSWER + 1))).toBe('CA_BAD_ANSWER')
  })
})
