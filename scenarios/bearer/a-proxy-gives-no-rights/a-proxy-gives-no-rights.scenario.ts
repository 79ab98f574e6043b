import { expect, scenario } from 'holdfast/vitest'
import { type Asking, askAll } from '../asking.ts'
import { pictureOf, tokenOf } from '../cluster.ts'

const test = scenario('bearer-cluster')

const claims: Asking['headers'] = [
  ['X-Forwarded-For', '127.0.0.1'],
  ['X-Real-IP', '127.0.0.1'],
  ['Forwarded', 'for=127.0.0.1;by=_edge'],
  ['X-Forwarded-Client-Cert', 'By=edge;URI=spiffe://cluster/edge'],
  ['X-Forwarded-User', 'operator'],
]

const run = { method: 'POST', path: '/v1/pipeline/run', json: { pipeline: 'canonical_selfplay', params: {} } }
const secretly = { headers: [...claims, ['Idempotency-Key', 'of-a-proxy-0000000']] as const, ...run }

test('through nginx, whatever is claimed', async ({ site }) => {
  const before = await pictureOf(site)
  const asked: Asking[] = [
    { to: 'orc-3', through: 'edge', ...secretly },
    { to: 'orc-3', through: 'edge', path: '/v1/auth', headers: claims },
    { to: 'orc-3', ...secretly },
    { to: 'orc-1', ...secretly },
  ]
  const replies = await askAll(site, asked)
  expect(replies.map(({ status, headers }) => [status, headers['www-authenticate']])).toEqual(
    asked.map(() => [401, 'Bearer realm="holdfast"']),
  )
  const reasons = await Promise.all(replies.slice(2).map(({ conn }, at) => site.decisions(asked[at + 2]!.to, { conn })))
  expect(reasons.flat().map(({ reason }) => reason)).toEqual(['credential_missing', 'credential_missing'])
  expect(await pictureOf(site)).toEqual(before)

  const token = await tokenOf(site)
  const [right] = await askAll(site, [{ ...asked[1]!, token }])
  expect(right!.status).toBe(200)
})

test('from the node of the proxy, with its certificate', async ({ site }) => {
  const folder = `${site.node('edge').dir}/credentials/cert-edge`
  const identity = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` }
  const before = await pictureOf(site)
  const asked: Asking[] = [
    { to: 'orc-3', path: '/v1/auth', identity },
    { to: 'orc-3', identity, ...secretly },
  ]
  const replies = await askAll(site, asked, { from: 'edge' })
  expect(replies.map(({ status }) => status)).toEqual([401, 401])
  const [record] = await site.decisions('orc-3', { conn: replies[0]!.conn })
  expect(record).toMatchObject({ reason: 'credential_missing_via_proxy', principal: { via: 'edge' } })
  expect(await pictureOf(site)).toEqual(before)

  // It is a member for the token alone, wherever that comes from.
  const [right] = await askAll(site, [{ ...asked[0]!, token: await tokenOf(site) }], { from: 'edge' })
  expect(right!.status).toBe(200)
})
