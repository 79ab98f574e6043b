import { startBaseline } from './baseline.ts'
import { type Call, callOnce, loadWith } from './caller.ts'
import type { Bench } from './main.ts'
import { compare, interleave, median } from './measure.ts'
import { benchSite, identityOf, listenerOf, tokenOf } from './site.ts'

const connections = 16
const requestsARound = 4_000
const rounds = 7

export const bench: Bench = {
  summary: 'local API with a node token over 16 connections, against https, jwtVerify and one thumbprint compare',
  async run() {
    await using site = await benchSite('shared-auth', { validation: 'jwks' })
    const caller = await identityOf(site, 'cert-node-a', 'somebiz')
    const target = listenerOf(site, 'node-a', 'local')
    const call: Call = {
      method: 'GET',
      path: '/v1/routes?limit=1',
      headers: { authorization: `Bearer ${await tokenOf(site, 'node-a')}` },
    }
    const jwks = JSON.parse(
      await callOnce(listenerOf(site, 'auth', 'public'), { ca: caller.ca }, { ...call, path: '/jwks', headers: {} }),
    )
    // The baseline answers the very text that the API answers.
    const body = await callOnce(target, caller, call)
    await using baseline = await startBaseline('bare-api', { ...caller, jwks, body })
    const bare = { ...target, address: '127.0.0.1', port: baseline.port }
    const p99 = { baseline: [] as number[], subject: [] as number[] }
    const perSecond = async (at: typeof target, tail: number[]): Promise<number> => {
      const result = await loadWith(at, caller, call, { count: requestsARound, connections })
      tail.push(result.p99)
      return result.perSecond
    }
    const throughput = await interleave(
      'local API throughput, mode jwks',
      () => perSecond(bare, p99.baseline),
      () => perSecond(target, p99.subject),
      { bar: { atLeast: 0.8 }, unit: 'per second', rounds },
    )
    const tail = compare('local API p99, mode jwks', median(p99.baseline), median(p99.subject), {
      bar: { atMost: 1.5 },
      rounds,
    })
    return [throughput, tail]
  },
}
