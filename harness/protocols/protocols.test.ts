import { expect, test } from 'vitest'
import { protocols } from '../shipped.ts'
import { calledBy } from './http/answer.ts'
import { http } from './http/index.ts'
import { websocket } from './websocket/index.ts'

const token = 'secret'
const request = { method: 'GET', path: '/x', expect: [200] }
const place = { host: 'a.test', port: 9_444, address: '127.9.1.3', anchor: '/ca.pem', token: '/t' }

test('each protocol is found by the name by which actions call it, and has a form for what they say', () => {
  for (const [name, protocol] of protocols) {
    expect(protocol.name).toBe(name)
    expect(protocol.request.safeParse({ nonsense: true }).success).toBe(false)
  }
})

test.each([
  ['bearer', undefined, 'Authorization: Bearer $(cat /t)'],
  ['a header of its own', { token: { header: 'X-Token' } }, 'X-Token: $(cat /t)'],
] as const)('a token travels as %s, in a call and in what is pasted', (_, carry, line) => {
  const { carried } = http.prepare({ request: { ...request, carry }, presented: { token }, options: {} })
  expect(carried).toEqual(['token'])
  expect(http.paste?.({ ...place, request: { ...request, carry } })).toContain(`-H "${line}"`)
  const session = { path: '/s', protocol: 'p', carry }
  expect(websocket.prepare({ request: session, presented: { token }, options: {} }).carried).toEqual(['token'])
  expect(websocket.paste?.({ ...place, request: session })).toContain(`-H "${line}"`)
})

test('each part that is a text travels so, in the order of the parts, and another place is said by its name', () => {
  const carry = { secret: { header: 'X-Club' } }
  const presented = { secret: 's', token }
  const { carried, elements } = http.prepare({ request: { ...request, carry }, presented, options: {} })
  expect(carried).toEqual(['token', 'secret'])
  expect(elements).toEqual(http.prepare({ request, presented, options: {} }).elements)
  expect(http.prepare({ request, presented: { secret: '' }, options: {} }).carried).toEqual(['secret'])
  const pasted = http.paste?.({ ...place, token: undefined, secret: '/s', request: { ...request, carry } })
  expect(pasted).toContain('-H "X-Club: $(cat /s)"')
  expect(http.request.safeParse({ ...request, carry: { sceret: 'bearer' } }).success).toBe(false)
})

test('a text of what is presented stands where the request has a place for it, in its path or its JSON', () => {
  const declared = {
    ...{ method: 'POST', path: '/redeem/{invitation.token}', expect: [200] },
    json: { csrPem: '{invitation.csrPem}', kept: ['{other}'] },
  }
  const invitation = { token: 't', csrPem: 'c', keyPem: 'k' }
  const prepared = (presented: object, options = {}) => http.prepare({ request: declared, presented, options })
  const { elements, carried } = prepared({ invitation })
  expect([elements.path, elements.body, carried]).toEqual([
    '/redeem/t',
    '{"csrPem":"c","kept":["{other}"]}',
    ['invitation'],
  ])
  const nothing = prepared({})
  expect([nothing.elements.path, nothing.elements.body, nothing.carried]).toEqual([
    '/redeem/',
    '{"csrPem":"","kept":["{other}"]}',
    [],
  ])
  expect(prepared({ invitation }, { path: '/elsewhere' }).carried).toEqual(['invitation'])
  expect(prepared({ invitation }, { path: '/elsewhere', json: {} }).carried).toEqual([])
})

test('header lines take the place of what carries the token, and without a token nothing is carried', () => {
  const replaced = http.prepare({ request, presented: { token }, options: { headers: [['Authorization', 'Basic x']] } })
  expect(replaced.carried).toEqual([])
  expect(replaced.plain).toEqual({ element: 'headers', options: {}, isCredential: true })
  expect(http.prepare({ request, presented: {}, options: {} }).carried).toEqual([])
})

test('calls differ in the elements that were changed, and in no other', () => {
  const handshake = { version: 'TLSv1.2' } as const
  const elements = (options: Parameters<typeof http.prepare>[0]['options']) =>
    http.prepare({ request, presented: { token }, options }).elements
  const differing = (one: object, other: object) => {
    const [a, b] = [elements(one), elements(other)]
    return Object.keys(a).filter((name) => a[name] !== b[name])
  }

  expect(differing({}, {})).toEqual([])
  expect(differing({ handshake }, { handshake })).toEqual([])
  expect(differing({ handshake }, { handshake: { ...handshake } })).toEqual(['wire'])
  expect(differing({}, { path: '/y' })).toEqual(['path'])
  expect(differing({}, { method: 'PUT', json: {} })).toEqual(['method', 'body'])
  expect(differing({}, { headers: [['X', 'y']] })).toEqual(['headers'])
})

test('what differs below is left out of the plain call, and the credential stays', () => {
  const options = { path: '/y', handshake: { version: 'TLSv1.2' } } as const
  const { plain } = http.prepare({ request, presented: { token }, options })
  expect(plain).toEqual({ element: 'wire', options: { path: '/y' }, isCredential: false })
  expect(http.prepare({ request, presented: { token }, options: { path: '/y' } }).plain).toBeUndefined()
})

test('an answer reads as the text that stands for its expectation', () => {
  const answer = { conn: 'c', ms: 1, status: 401, body: '{"error":"invalid_client"}' }
  const called = calledBy({ ...answer, headers: [['x-reason', ' expired ']] }, () => false)

  expect(http.text(called.answer)).toBe('401 invalid_client')
  expect(http.wanted(http.read('401 invalid_client'))).toBe('401 invalid_client')
  expect(http.problems(called.answer, http.read('403 invalid_client'))).toContain('status 401, expected 403')
  expect(called.field?.('X-Reason')).toBe('expired')
  expect(called.field?.('X-Other')).toBeUndefined()
  expect(called.text).toBe(' expired \n{"error":"invalid_client"}')
  expect(http.text({ ...called.answer, status: null })).toBeUndefined()
  expect(http.wanted({})).toBeUndefined()
})

test.each([
  ['{"error":"invalid_client"}', 'invalid_client'],
  ['{"error":{"code":"forbidden","message":"No."}}', 'forbidden'],
  ['{"error":{"message":"No."}}', null],
  ['{"error":null}', null],
  ['no JSON', null],
])('an error code is read from a body, be it by itself or beside a message: %s', (body, error) => {
  const answer = { conn: 'c', ms: 1, status: 403, body, headers: [] }
  expect(calledBy(answer, () => false).answer.error).toBe(error)
})

test('a target is seen as JSON under each path, and not at all when one of them is refused', async () => {
  const { observation } = http
  const answers: Record<string, number> = { '/a': 200, '/b': 403 }
  const as = { host: 'b.test', get: async (path: string) => ({ status: answers[path] ?? null, json: { path } }) }

  expect(await observation?.picture({ paths: ['/a'] }, as)).toEqual({ '/a': { path: '/a' } })
  await expect(observation?.picture({ paths: ['/a', '/b'] }, as)).rejects.toThrow('b.test/b answered 403')
})
