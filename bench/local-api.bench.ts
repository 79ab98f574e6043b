import { Agent, request } from 'node:https'
import { startBaseline } from './baseline.ts'
import { type LoadResult, load } from './load.ts'
import type { Bench } from './main.ts'
import { compare, interleave, median } from './measure.ts'
import { benchSite, identityOf, listenerOf, type NodeIdentity, tokenOf } from './site.ts'

const connections = 16
const requestsARound = 4_000
const rounds = 7

export const bench: Bench = {
  summary: 'local API with a node token over 16 connections, against https, jwtVerify and one thumbprint compare',
  async run() {
    await using site = await benchSite('shared-auth', { validation: 'jwks' })
    const caller = await identityOf(site, 'cert-node-a', 'somebiz')
    const target = { ...listenerOf(site, 'node-a', 'local'), path: '/v1/routes?limit=1' }
    const auth = listenerOf(site, 'auth', 'public')
    const jwks = JSON.parse(await get({ ...auth, path: '/jwks' }, new Agent({ ca: caller.ca, servername: auth.host })))
    await using baseline = await startBaseline('bare-api', { ...caller, jwks })
    const token = await tokenOf(site, 'node-a')
    const p99 = { baseline: [] as number[], subject: [] as number[] }
    const throughput = await interleave(
      'local API throughput, mode jwks',
      () => perSecond({ ...target, address: '127.0.0.1', port: baseline.port }, caller, token, p99.baseline),
      () => perSecond(target, caller, token, p99.subject),
      { bar: { atLeast: 0.8 }, unit: 'per second', rounds },
    )
    const tail = compare('local API p99, mode jwks', median(p99.baseline), median(p99.subject), {
      bar: { atMost: 1.5 },
      rounds,
    })
    return [throughput, tail]
  },
}

interface Target {
  address: string
  host: string
  port: number
  path: string
}

async function perSecond(target: Target, caller: NodeIdentity, token: string, p99: number[]): Promise<number> {
  const agent = new Agent({ ...caller, servername: target.host, keepAlive: true, maxSockets: connections })
  try {
    const result: LoadResult = await load(async () => void (await get(target, agent, token)), {
      count: requestsARound,
      width: connections,
    })
    p99.push(result.p99)
    return result.perSecond
  } finally {
    agent.destroy()
  }
}

function get({ address, host, port, path }: Target, agent: Agent, token?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { Host: `${host}:${port}`, ...(token ? { Authorization: `Bearer ${token}` } : {}) }
    const call = request({ host: address, port, path, agent, headers, timeout: 5_000 }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
      })
      response.on('end', () =>
        response.statusCode === 200
          ? resolve(body)
          : reject(new Error(`${host}${path} answered ${response.statusCode}: ${body}`)),
      )
    })
    call.on('timeout', () => call.destroy(new Error(`${host}${path} did not answer`)))
    call.on('error', reject)
    call.end()
  })
}
