import { signAtCa } from '../harness/agent/enrol.ts'
import type { Invited } from '../harness/demonstrations/federation/index.ts'
import { newRequest } from '../harness/pki/request.ts'
import { caOf } from '../harness/site/live-site.ts'
import type { Enrol } from '../harness/topology/plan.ts'
import { type BenchFederation, benchFederation } from './federation/site.ts'
import type { Bench } from './main.ts'
import { interleave, quantile } from './measure.ts'

const enrolmentsARound = 4
const rounds = 5

export const bench: Bench = {
  summary:
    'an enrolment, from the token of an invitation to an active grant, against a bare CSR with a one-time token at step-ca',
  async run() {
    await using bed = await benchFederation()
    const { federation, site } = bed
    const { enrol } = site.plan.nodes['gateway-b']!.units.flatMap(({ steps }) => steps).find(
      (step) => 'enrol' in step,
    ) as { enrol: Enrol }
    const ca = await caOf(site, enrol, 'gateway-b')
    const sign = async (request: SignRequest) => void (await signAtCa({ ...ca, ...request, lifetimeSeconds: 900 }))
    const redeem = async (invited: Invited) => void (await federation.redeem(invited)).value
    return [
      await interleave(
        'enrolment p50',
        () => p50(() => signRequest(bed, enrol), sign),
        () => p50(() => federation.invite(), redeem),
        { bar: { atMost: 2 }, rounds },
      ),
    ]
  },
}

/** All is made ready first: what is measured is the one request, over a connection of its own. */
async function p50<Ready>(make: () => Promise<Ready>, use: (ready: Ready) => Promise<void>): Promise<number> {
  const ready: Ready[] = []
  for (let at = 0; at < enrolmentsARound; at += 1) ready.push(await make())
  const ms: number[] = []
  for (const one of ready) {
    const began = performance.now()
    await use(one)
    ms.push(performance.now() - began)
  }
  return quantile(ms, 0.5)
}

type SignRequest = Awaited<ReturnType<typeof signRequest>>

async function signRequest({ site }: BenchFederation, { ca, url, provisioner, subject, sans }: Enrol) {
  const { csrPem, x5rt } = await newRequest({ subject, sans })
  return { csrPem, ott: await site.oneTimeToken(ca, { url, provisioner, subject, sans, x5rt }) }
}
