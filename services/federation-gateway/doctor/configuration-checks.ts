import { isIssuedBy } from '../../shared/peer-certificate.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import { certificatesIn } from '../../shared/tls-material.ts'
import { leadsTo } from '../certificates/chain.ts'
import { tierMistakes } from '../config.ts'
import { startCa, startConfig, startSecret, startTls } from '../start/guards.ts'
import { type Examined, mistakeBy } from './examined.ts'
import { type Finding, fail, failAs, notMade, ok, warn } from './finding.ts'

const HOUR_MS = 3_600_000
const LEAST_HOURS = 24

/** Its form, and the files with secrets that it names. */
export async function configSchema(examined: Examined): Promise<Finding> {
  try {
    examined.start = { configuration: examined.deps.load(), now: examined.now() }
  } catch (failure) {
    if (!(failure instanceof StartFailure)) throw failure
    return failAs(failure.message, 'see gateway --check-config')
  }
  const mistake = await mistakeBy(startConfig, examined.start)
  return mistake?.finding ?? ok('every key and every file of a secret can be read')
}

export function tierConsistent({ configuration }: Examined): Finding {
  const { tier } = configuration!
  const mistakes = tierMistakes(configuration!)
  if (mistakes.length === 0) return ok(`tier ${tier} has all that it needs`)
  const keys = mistakes.map(({ key }) => key).join(', ')
  return fail(
    mistakes.map(({ key, message }) => `${key} ${message}`).join('; '),
    `set or remove ${keys}, or choose another tier`,
  )
}

export async function secretStrength({ start, isFederated }: Examined): Promise<Finding> {
  const mistake = await mistakeBy(startSecret, start!)
  if (mistake !== undefined) return mistake.finding
  const { sealing } = start!.secrets!
  if (sealing === undefined)
    return isFederated ? fail('sealing.secret is missing', 'give one') : notMade('nothing is sealed')
  return ok(`the sealing secret is long enough; ${sealing.previous.length} before it still open`)
}

/** Key, name, chain and time of the certificate that both listeners present. */
export async function serverCertificate({ start, isFederated }: Examined): Promise<Finding> {
  const mistake = await mistakeBy(startTls, start!)
  if (mistake !== undefined) return mistake.finding
  const { material, now, configuration } = start!
  const { leaf, certificate } = material!
  const file = configuration.tls.cert
  if (leaf.validFromDate.getTime() > now) {
    return fail(`${file} begins ${leaf.validFromDate.toISOString()}`, 'see the clocks of this machine and of the CA')
  }
  const chain = certificatesIn(certificate, file)
  const broken = chain.findIndex((one, at) => chain[at + 1] !== undefined && !isIssuedBy(one, chain[at + 1]!))
  if (broken >= 0) {
    const remedy = 'put the certificate first, then the CA that signed it, then the one above'
    return fail(`certificate ${broken + 2} in ${file} has not signed the one before it`, remedy)
  }
  await mistakeBy(startCa, start!)
  // Whoever enrols takes the pinned root, and no other, for the anchor of this listener.
  const root = start!.ca?.root
  if (isFederated && root !== undefined && !leadsTo(root, chain, now)) {
    return fail(
      `${file} does not lead to the root of the CA, by which peers that enrol know this gateway`,
      'have it signed by that CA, and put the certificates between behind it',
    )
  }
  const hours = Math.floor((leaf.validToDate.getTime() - now) / HOUR_MS)
  const until = `${file} is good until ${leaf.validToDate.toISOString()}`
  if (hours >= LEAST_HOURS) return ok(until)
  return warn(`${until}, ${hours} h from now`, 'see that something renews it; it is read anew when it changes')
}
