import { expect, scenario } from 'holdfast/vitest'
import { type Asking, ask, askAll } from '../asking.ts'
import { leaderOf, orchestrators, pictureOf, tokenOf } from '../cluster.ts'

const test = scenario('bearer-cluster')

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']

/** What is served, and with which methods for whom. `HEAD` follows `GET`. */
const routes: readonly (readonly [path: string, open: readonly string[], closed: readonly string[]])[] = [
  ['/healthz', ['GET'], []],
  ['/readyz', ['GET'], []],
  ['/v1/status', ['GET'], []],
  ['/v1/leader', ['GET'], []],
  ['/v1/pipelines', ['GET'], []],
  ['/v1/metrics', ['GET'], []],
  ['/v1/pipeline/runs', ['GET'], []],
  ['/v1/auth', [], ['GET']],
  ['/v1/pipeline/run', [], ['POST']],
  ['/v1/pipeline/runs/no-such-run/cancel', [], ['POST']],
  ['/v1/pipeline/runs/no-such-run/output', [], ['GET']],
  ['/v1/leader/transfer', [], ['POST']],
  ['/v1/election/lease', [], ['POST']],
  ['/v1/election/release', [], ['POST']],
  ['/v1/peer/heartbeat', [], ['POST']],
  ['/v1/replica/runs', [], ['GET']],
  ['/v1/replica/runs/no-such-run', [], ['PUT']],
  ['/v1/work/stages', [], ['POST']],
  ['/v1/work/stages/no-such-run/selfplay/1', [], ['GET']],
  ['/v1/nothing', [], []],
]

/** With bodies that would do, so that nothing is refused for its form. */
const bodies: Readonly<Record<string, object>> = {
  '/v1/pipeline/run': { pipeline: 'canonical_selfplay', params: { games: 2 } },
  '/v1/leader/transfer': { to: 'orc-2' },
}

const isOf = (served: readonly string[], method: string) => served.includes(method === 'HEAD' ? 'GET' : method)

test('no method of any route changes anything, or is answered at all where it is not open, without the token', async ({
  site,
}) => {
  await leaderOf(site)
  const token = await tokenOf(site)
  const wrong = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`
  const before = await pictureOf(site)
  for (const to of orchestrators) {
    const asked = routes.flatMap(([path, open]) =>
      methods.map((method) => {
        const json = ['POST', 'PUT', 'PATCH'].includes(method) ? (bodies[path] ?? {}) : undefined
        const headers = [['Idempotency-Key', `route-table-${to}-000`]] as const
        return { isOpen: isOf(open, method), asking: { to, path, method, json, headers } satisfies Asking }
      }),
    )
    const none = await askAll(
      site,
      asked.map(({ asking }) => asking),
      { atOnce: 4 },
    )
    const told = asked.map(
      ({ isOpen, asking: { method, path } }, at) => `${method} ${path} ${none[at]!.status} ${isOpen}`,
    )
    expect(told.filter((line) => !/ (200 true|(401|429) false)$/.test(line))).toEqual([])
    expect(
      none
        .filter(({ status }) => status === 401)
        .every(({ headers }) => headers['www-authenticate'] === 'Bearer realm="holdfast"'),
    ).toBe(true)

    // A wrong one opens nothing, and closes nothing that it is not needed for but by being wrong.
    const few = asked.filter(({ asking: { method } }) => method === 'POST')
    const refused = await askAll(
      site,
      few.map(({ asking }) => ({ ...asking, token: wrong })),
      { atOnce: 2 },
    )
    // Who was wrong so often is told no more than that.
    expect(refused.filter(({ status }) => ![401, 429].includes(status ?? 0))).toEqual([])
  }
  expect(await pictureOf(site)).toEqual(before)
})

test('who has the token gets what is there, 405 with what is allowed, or 404', async ({ site }) => {
  const token = await tokenOf(site)
  const to = await leaderOf(site)
  const harmless = routes.flatMap(([path, open, closed]) =>
    methods.flatMap((method) => {
      const served = [...open, ...closed]
      // What is served is tried where it changes nothing.
      const isTried = !isOf(served, method) || ['GET', 'HEAD'].includes(method)
      return isTried ? [{ path, method, served }] : []
    }),
  )
  const replies = await askAll(
    site,
    harmless.map(({ path, method }) => ({ to, path, method, token })),
    { atOnce: 4 },
  )
  const told = harmless.map(({ path, method, served }, at) => {
    const { status, headers } = replies[at]!
    const wanted = served.length === 0 ? [404] : isOf(served, method) ? [200, 400, 404, 409] : [405]
    const allows = status !== 405 || served.every((one) => headers.allow?.includes(one))
    return wanted.includes(status ?? 0) && allows ? [] : `${method} ${path} ${status} ${headers.allow}`
  })
  expect(told.flat()).toEqual([])
})

test('the token starts a run, and what reads tells of it neither parameters nor output', async ({ site }) => {
  const token = await tokenOf(site)
  const to = await leaderOf(site)
  const json = { pipeline: 'canonical_selfplay', params: { games: 7, start: 424_242 } }
  const headers = [['Idempotency-Key', crypto.randomUUID()]] as const
  const { status, body } = await ask(site, { to, method: 'POST', path: '/v1/pipeline/run', json, headers, token })
  expect(status).toBe(202)
  const { runId } = JSON.parse(body) as { runId: string }

  const paths = ['/v1/pipeline/runs', `/v1/pipeline/runs/${runId}`, '/v1/status', '/v1/pipelines', '/v1/metrics']
  const reads = await askAll(
    site,
    paths.map((path) => ({ to, path })),
  )
  expect(reads.map(({ status }) => status)).toEqual(paths.map(() => 200))
  const all = reads.map(({ body }) => body).join('\n')
  expect(all).toContain(runId)
  for (const secret of ['424242', token, token.slice(0, 12), 'stages/selfplay']) expect(all).not.toContain(secret)
})
