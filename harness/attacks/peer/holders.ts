import { renewAtCa } from '../../agent/enrol.ts'
import { unboundMeans } from '../../credentials/bound-token/checks.ts'
import { enrolmentOf } from '../../credentials/certificate/planned.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import { issueLeaf, rogueAuthority } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { thumbprintS256 } from '../../pki/certificate.ts'
import { unspoiled } from '../../pki/spoiled.ts'
import { caOf } from '../../site/live-site.ts'
import { type Misbinding, misbindings } from '../../tokens/misbound.ts'
import { nearMissesOf } from '../../tokens/near-misses.ts'
import { cases, leftOpen, nearly, presenting, steps, type Variant } from '../attack.ts'
import { bindingTo, forged, forging, withClaims } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, accepted, either, type Outcome, T0 } from '../outcome.ts'

const bound = ['takes:bound-token', 'client-certificate'] as const
const mismatch = A1('cnf_x5t_mismatch')

const malformed = A1('cnf_malformed')
const anyBits = leftOpen('who decodes base64 may refuse bits that encode nothing, and need not (RFC 4648 section 3.5)')
/** That is `cnfUpperCased`. */
const isNoOtherCase = (name: string) => name !== 'in another case'

const missing = A1('cnf_missing')
/** What comes of those that are not refused for their form. */
const outcomes: Readonly<Record<string, Outcome>> = {
  ...{ withoutCnf: missing, cnfNull: missing, cnfSha1: missing, cnfOtherMember: missing },
  ...{ cfn: missing, extCnf: missing },
  ...{ cnfUpperCased: mismatch, cnfOfSpki: mismatch, cnfOfPem: mismatch, cnfOfChain: mismatch },
}

/** A token is worth nothing to anybody but the holder of the certificate that it is bound to. */
export const holders = cases(bound, {
  'PEER-01': {
    title: 'a token works for its holder only',
    plain: unboundMeans.means,
    source: 'RFC 8705 section 3',
    variants: {
      'over the certificate of a third node': over(mismatch, (lab) => third(lab, 'caller')),
      'over another certificate of the holder': over(mismatch, (lab) => lab.anew(certificateOf(lab)).identity()),
    },
  },
  'PEER-02': {
    title: 'a bound token is worth nothing without a certificate',
    source: 'RFC 8705 section 3',
    variants: {
      'no client certificate': presenting(either(T0('cert_missing'), mismatch), (good) => good.withoutCertificate()),
    },
  },
  'PEER-03': {
    title: 'a node cannot use the token of its peer, whoever issued it',
    source: 'RFC 8705 section 3',
    needs: [...bound, 'speaks:websocket'],
    variants: {
      'over the certificate of the target itself': over(mismatch, (lab) =>
        lab.credential(lab.ownCertificate.name).identity(),
      ),
    },
  },
  'PEER-04': {
    title: 'a token that is bound to nothing is refused where a binding is demanded',
    follows: 'bound-token/binding',
    source: 'RFC 8705 section 3',
    variants: { 'without cnf': misbound('withoutCnf') },
  },
  'PEER-08': {
    title: 'a stolen token is worth nothing to another organisation',
    source: 'RFC 9700 section 4.10.1',
    variants: {
      'over a certificate of a CA that the target trusts': over(mismatch, (lab) => third(lab, 'target')),
      "over a certificate of an unknown CA with the holder's names": over(
        either(T0('cert_untrusted'), mismatch),
        async (lab) => unspoiled({ authority: await rogueAuthority(), ...namesOf(lab) }),
      ),
    },
  },
  'PEER-14': {
    title: 'only the SHA-256 thumbprint of the certificate in base64url is a binding',
    follows: 'bound-token/binding',
    source: 'RFC 8705 section 3.1',
    variants: {
      ...Object.fromEntries(
        Object.keys(misbindings)
          .filter((name) => name !== 'withoutCnf')
          .map((name) => [name, misbound(name)]),
      ),
      ...nearly('x5t#S256', nearMissesOf.digest.filter(isNoOtherCase), (made, name) =>
        nearlyBound(name.startsWith('with another') ? mismatch : malformed, made),
      ),
      ...nearly('x5t#S256', nearMissesOf.bytes, (made) => anyBits(nearlyBound(malformed, made))),
    },
  },
  'PEER-15': {
    title: 'a renewed certificate needs a new token, even with the same key',
    source: 'RFC 8705 section 6.3',
    variants: {
      'the old token over the renewed certificate': over(mismatch, renewed),
      'a new token over the renewed certificate': presenting(accepted(), async (good, lab) => {
        const other = await renewed(lab)
        return good.withCertificate(other).withToken(await lab.mint(other))
      }),
    },
  },
  'PEER-26': {
    title: 'a binding that fits replaces no identity',
    source: 'RFC 8705 section 6.2',
    needs: [...bound, 'speaks:websocket'],
    variants: {
      'a certificate of the same CA for another name': boundToOther(A1('san_mismatch'), (lab) => third(lab, 'caller')),
      "a certificate of another trusted CA with the holder's names": {
        ...boundToOther(A1('anchor_mismatch'), async (lab) =>
          unspoiled({ authority: await lab.authority('target'), ...namesOf(lab) }),
        ),
        needs: [...bound, 'speaks:websocket', 'two-issuers'],
      },
      'a subject that is no peer': forging(A1('peer_unknown'), withClaims({ sub: 'node-x', client_id: 'node-x' })),
    },
  },
})

function over(expect: Outcome, identity: (lab: Lab) => Promise<Identity>): Variant {
  return presenting(expect, async (good, lab) => good.withCertificate(await identity(lab)))
}

function misbound(name: string): Variant {
  return forging(outcomes[name] ?? malformed, async (lab) => {
    const { certPem } = await lab.good().identity()
    return { claims: (misbindings[name] as Misbinding)(certPem) }
  })
}

/** Bound to the certificate that is presented, but for this. */
function nearlyBound(expect: Outcome, made: (thumbprint: string) => unknown): Variant {
  return forging(expect, async (lab) => {
    const { certPem } = await lab.good().identity()
    return withClaims({ cnf: { 'x5t#S256': made(thumbprintS256(certPem)) } })
  })
}

/** A certificate of somebody who is neither caller nor target, of the CA of either. */
async function third(lab: Lab, whose: 'caller' | 'target'): Promise<Identity> {
  const host = `third.${lab.target.host.replace(/^[^.]+\./, '')}`
  return issueLeaf({ authority: await lab.authority(whose), subject: host, sans: [host] })
}

function boundToOther(expect: Outcome, identity: (lab: Lab) => Promise<Identity>): Variant {
  return steps(expect, async (lab) => {
    lab.judge(await lab.call(), accepted())
    const other = await identity(lab)
    return lab.call(forged(lab, 'bound to it', withClaims(bindingTo(other))).withCertificate(other))
  })
}

async function renewed(lab: Lab): Promise<Identity> {
  const certificate = credentialOf(lab.plan, 'certificate', certificateOf(lab))
  const identity = await lab.good().identity()
  const ca = await caOf(lab.site.site, enrolmentOf(certificate), certificate.holders[0]!)
  return { ...identity, ...(await renewAtCa({ ...ca, identity })) }
}

/** The certificate credential that the good token is bound to. */
function certificateOf({ plan, target }: Lab): string {
  return credentialOf(plan, 'bound-token', target.credential).boundTo
}

function namesOf(lab: Lab): { subject: string; sans: readonly string[] } {
  return credentialOf(lab.plan, 'certificate', certificateOf(lab))
}
