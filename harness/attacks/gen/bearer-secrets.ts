import { leaksIn } from '../../credentials/secrets.ts'
import { tamperSignature } from '../../tokens/forge.ts'
import { cases, steps } from '../attack.ts'
import { forged, withClaim } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, A2, demanded } from '../outcome.ts'

/** Nothing secret is written down, whatever goes wrong. Every other attack looks for the token that it presented itself. */
export const secrets = cases(['takes:bound-token'], {
  'GEN-29': {
    title: 'no log, record or answer holds a secret',
    source: 'RFC 6750 section 5.2',
    variants: { 'of calls that are refused': steps(demanded('no token, key or seed anywhere'), afterRefusals) },
  },
})

async function afterRefusals(lab: Lab): Promise<void> {
  const good = lab.good()
  const expired = forged(lab, 'expired', withClaim('exp', 1))
  const tampered = good.withToken(tamperSignature, 'tampered')
  const token = await good.token()
  lab.judge(await lab.call(expired), A1('token_expired'))
  lab.judge(await lab.call(tampered), A1('signature_invalid'))
  lab.judge(
    await lab.call(good, { headers: [['Authorization', `Bearer ${token} ${token}`]] }),
    A2('token_carrier_invalid'),
  )
  const presented = [token, await expired.token(), await tampered.token()]
  const { d, p, q } = await lab.signingKey()
  for (const name of lab.site.site.nodes.keys()) {
    const at = lab.site.node(name)
    const logs = at.logs().join('\n')
    const records = (await at.decisions()).map((record) => JSON.stringify(record)).join('\n')
    for (const [what, text] of Object.entries({ logs, 'decision records': records })) {
      const found = leaksIn(text, presented)
      lab.demand(found.length === 0, `the ${what} of ${name} hold ${found.join(', ')}`)
    }
    const isTold = [d, p, q].some((part) => part !== undefined && logs.includes(part))
    lab.demand(!isTold, 'a log holds the private part of the signing key')
  }
}
