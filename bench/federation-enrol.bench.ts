import type { Invited } from '../harness/demonstrations/federation/index.ts'
import { benchFederation } from './federation/site.ts'
import type { Bench } from './main.ts'
import { interleave, quantile } from './measure.ts'

const enrolmentsARound = 10
const rounds = 5

export const bench: Bench = {
  summary:
    'an enrolment, from the token of an invitation to an active grant, against the same CSR and one-time token straight to step-ca',
  async run() {
    await using bed = await benchFederation()
    const { federation } = bed
    const certifier = federation.certifier()
    const invite = () => federation.invite()
    const inviteWithToken = async () => {
      const invited = await invite()
      return { csr: invited.request.csrPem, ott: await certifier.token(invited) }
    }
    const redeem = async (invited: Invited) => void (await federation.redeem(invited)).value
    const sign = async ({ csr, ott }: { csr: string; ott: string }) => {
      // Of as long a life as the gateway asks for.
      void (await certifier.sign(csr, ott, { notAfter: '900s' })).value
    }
    return [
      await interleave(
        'enrolment, p50',
        () => p50(inviteWithToken, sign),
        () => p50(invite, redeem),
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
