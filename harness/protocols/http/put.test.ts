import { expect, test } from 'vitest'
import { http } from './index.ts'
import { type HttpOptions, preparedInHttp } from './prepared.ts'
import type { Puts } from './put.ts'

const secret = 'k4-~/x='
const presented = { secret, token: 'a.b.c' }

/** The request as it would go out, of an action that says nothing of carriers. */
async function sent(put: Puts, path = '/runs') {
  let request: unknown
  const prepared = preparedInHttp(
    { request: { path }, presented, options: { put } },
    {
      ...{ method: 'GET', headers: [], isPromised: () => true },
      async send(_, given) {
        request = given
        return {} as never
      },
    },
  )
  await prepared.send({ host: 'a.test', port: 1 } as never)
  return { request, prepared }
}

const bearer = ['Authorization', 'Bearer a.b.c']

test.each<[Puts, object]>([
  [
    { secret: { header: 'X-Club' } },
    {
      path: '/runs',
      headers: [bearer, ['X-Club', secret]],
    },
  ],
  [
    { secret: { cookie: 'club' } },
    {
      path: '/runs',
      headers: [bearer, ['Cookie', `club=${secret}`]],
    },
  ],
  [{ secret: { query: 'access_token' } }, { path: '/runs?access_token=k4-%7E%2Fx%3D', headers: [bearer] }],
  [
    { secret: { header: 'X-Club' }, token: { query: 't' } },
    { path: '/runs?t=a.b.c', headers: [['X-Club', secret]] },
  ],
])('what is put elsewhere is there, and nowhere else: %j', async (put, expected) => {
  const { request, prepared } = await sent(put)
  expect(request).toMatchObject(expected)
  // It travels all the same, and the call as its action says is its control.
  expect(prepared.carried).toEqual(['token', 'secret'])
  expect(prepared.plain).toEqual({ element: 'put', options: {}, isCredential: true })
})

test('a query that is there stays', async () => {
  const { request } = await sent({ secret: { query: 'q' } }, '/runs?limit=1')
  expect(request).toMatchObject({ path: `/runs?limit=1&q=${encodeURIComponent(secret).replace('~', '%7E')}` })
})

const bodyOf = (options: HttpOptions, json?: object) => {
  const request = { method: 'POST', path: '/', expect: [200], json, fields: { 'Idempotency-Key': 'k' } }
  return http.prepare({ request, presented: { secret }, options }).elements.body
}

test('in a body it is a member of what is said, or all that a form says', () => {
  const run = { pipeline: 'one' }
  expect(JSON.parse(bodyOf({ put: { secret: { json: 't' } } }, run)!)).toEqual({ pipeline: 'one', t: secret })
  expect(JSON.parse(bodyOf({ put: { secret: { json: 't' } } })!)).toEqual({ t: secret })
  expect(bodyOf({ put: { secret: { form: 't' } } }, run)).toBe('t=k4-%7E%2Fx%3D')
  expect(bodyOf({ put: { token: { form: 't' } } }, run)).toBe('{"pipeline":"one"}')
})

test('two calls that put it in different places are not the same call', () => {
  const elementsOf = (put?: Puts) => http.prepare({ request, presented: { secret }, options: { put } }).elements
  const request = { method: 'GET', path: '/', expect: [200] }
  expect(elementsOf({ secret: { cookie: 'a' } })).not.toEqual(elementsOf())
  expect(elementsOf({ secret: { cookie: 'a' } })).not.toEqual(elementsOf({ secret: { cookie: 'b' } }))
})
