import { newCrl } from '../harness/pki/crl.ts'
import { callOnce, type Target } from './caller.ts'
import { startBare, startLender } from './federation/beside.ts'
import { type BenchFederation, benchFederation, capabilities } from './federation/site.ts'
import { load } from './load.ts'
import type { Bench } from './main.ts'
import { interleave, type Measure } from './measure.ts'

const handshakesARound = 100
const rounds = 5
const revoked = 10_000

export const bench: Bench = {
  summary:
    'a new connection to a lender and what it lends, against mutual TLS and an answer that lies ready; and with 10 000 revoked certificates, against none',
  async run() {
    await using bed = await benchFederation()
    return [await besideBare(bed), await besideEmptyList(bed)]
  },
}

async function besideBare(bed: BenchFederation): Promise<Measure> {
  const body = await callOnce(bed.lender, bed.peer, capabilities)
  await using bare = await startBare(bed, { limit: 1, body })
  return await interleave(
    'new handshake and capabilities, p50',
    () => p50(bed, bare.target),
    () => p50(bed, bed.lender),
    { bar: { atMost: 1.4 }, rounds },
  )
}

async function besideEmptyList(bed: BenchFederation): Promise<Measure> {
  await using empty = await startLender(bed, 'empty-list', { lists: await listsOf(bed, []) })
  const serials = Array.from({ length: revoked }, () => crypto.randomUUID().replaceAll('-', ''))
  await using long = await startLender(bed, 'long-list', { lists: await listsOf(bed, serials) })
  return await interleave(
    `new handshake and capabilities, p50, with ${revoked} revoked certificates`,
    () => p50(bed, empty.target),
    () => p50(bed, long.target),
    { bar: { atMost: 1.2 }, rounds },
  )
}

/** One connection after the other, each with a handshake of its own. */
async function p50({ peer }: BenchFederation, target: Target): Promise<number> {
  const one = async () => void (await callOnce(target, peer, capabilities))
  return (await load(one, { count: handshakesARound, width: 1 })).p50
}

/** Lists of both CAs in a chain, signed by them. */
async function listsOf({ site, federation }: BenchFederation, serials: readonly string[]): Promise<string[]> {
  const { ca } = site.plan.trustDomains.somebiz!
  const [root, issuing] = await Promise.all([federation.site.authority(ca, 'root'), federation.site.authority(ca)])
  const url = `${federation.certifier().url}/1.0/crl`
  const lists = [newCrl({ authority: root }), newCrl({ authority: issuing, revoked: serials, url })]
  return (await Promise.all(lists)).map(({ pem }) => pem)
}
