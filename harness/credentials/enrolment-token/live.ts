import { randomBytes } from 'node:crypto'
import { HoldfastError } from '../../errors.ts'
import { newRequest, type RequestFaults } from '../../pki/request.ts'
import { awaited, type Begun, Operator, sendRequest } from '../federation-grant/admin.ts'
import { type LiveKind, NotIssued, type Spoiling } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import type { SpoiledInvitation } from './checks.ts'
import type { PlanEnrolmentToken } from './planned.ts'

/** A token, and the request that is redeemed by it with its key. */
export interface Invitation {
  readonly token: string
  readonly csrPem: string
  readonly keyPem: string
}

export interface InvitationSummary {
  /** The first characters of the token: by these its maker knows it, too. */
  readonly prefix: string
  /** Of the peer and the grant that it is for; undefined: nobody made it. */
  readonly commonName: string | undefined
  readonly grantId: string | undefined
}

type Planned = PlanEnrolmentToken

async function fresh(planned: Planned, site: LiveSite): Promise<Presented> {
  return { invitation: await invited(planned, site) }
}

/** Each is good for one call: a test that makes two needs two. */
async function invited(planned: Planned, site: LiveSite, ttlSeconds?: number): Promise<Invitation> {
  const begun = await new Operator(site, planned).begin(ttlSeconds === undefined ? {} : { ttlSeconds })
  return withRequest(begun, begun.invitation.token)
}

/** What is known of the invitations of tests, beside what they are made of. */
const begunWith = new WeakMap<Invitation, Begun>()

function begunOf(invitation: Invitation | undefined): Begun {
  return begunWith.get(invitation!)!
}

async function withRequest(begun: Begun, token: string, { name = begun.commonName, faults = {} }: Asking = {}) {
  const { csrPem, keyPem } = await newRequest({ subject: name, sans: [name] }, faults)
  const invitation = { token, csrPem, keyPem }
  begunWith.set(invitation, begun)
  return invitation
}

interface Asking {
  name?: string
  faults?: RequestFaults
}

/** The same, with something in it that is another. */
function changed(from: Invitation, change: Partial<Invitation>): Presented {
  const invitation = { ...from, ...change }
  begunWith.set(invitation, begunOf(from))
  return { invitation }
}

function tokenOf(change: (token: string) => string): Spoiling<Planned> {
  return async ({ invitation }) => changed(invitation!, { token: change(invitation!.token) })
}

/** The same, with another request. */
function requestOf(asking: (begun: Begun) => Asking): Spoiling<Planned> {
  return async ({ invitation }) => {
    const begun = begunOf(invitation)
    return { invitation: await withRequest(begun, invitation!.token, asking(begun)) }
  }
}

/** Redeems it, as a control would. @throws NotIssued */
async function demandRedeemed(planned: Planned, site: LiveSite, invitation: Pick<Invitation, 'token' | 'csrPem'>) {
  const { status, json } = await sendRequest(planned, site, invitation)
  if (status !== 200) throw new NotIssued(planned.name, 'redeem it', status, JSON.stringify(json))
}

const spoil: Readonly<Record<SpoiledInvitation, Spoiling<Planned>>> = {
  used: async (made, planned, site) => {
    await demandRedeemed(planned, site, made.invitation!)
    return requestOf(() => ({}))(made, planned, site)
  },
  expired: async (_, planned, site) => {
    const invitation = await invited(planned, site, 1)
    // A token that is fresh is not used up by a request that cannot be read.
    const ask = () => sendRequest(planned, site, { ...invitation, csrPem: 'none' })
    const is = ({ status }: { status: number }) => status === 410
    await awaited(site, planned.issuer, { what: 'had a token expired', ask, is, withinMs: 10_000 })
    return { invitation }
  },
  unknown: tokenOf(() => randomBytes(32).toString('hex')),
  'in upper case': tokenOf((token) => token.toUpperCase()),
  'cut short': tokenOf((token) => token.slice(0, -1)),
  'of a revoked grant': async ({ invitation }, planned, site) => {
    await new Operator(site, planned).revoke(begunOf(invitation).grantId)
    return { invitation: invitation! }
  },
  'of an active grant': async ({ invitation }, planned, site) => {
    const begun = begunOf(invitation)
    const { token } = await new Operator(site, planned).invite(begun.grantId)
    await demandRedeemed(planned, site, await withRequest(begun, token))
    return { invitation: invitation! }
  },
  'with a garbled request': async ({ invitation }) => {
    return changed(invitation!, { csrPem: invitation!.csrPem.replace(/^M/m, 'N') })
  },
  // Of 96 bits of security.
  'with a weak key': requestOf(() => ({ faults: { curve: 'prime192v1' } })),
  'with a weak digest': requestOf(() => ({ faults: { digest: 'sha1' } })),
  'with a request of another key': requestOf(() => ({ faults: { isSigned: false } })),
  'for another name': requestOf(({ commonName }) => ({ name: `other.${commonName}` })),
  'with a key of before': async ({ invitation }, planned, site) => {
    const operator = new Operator(site, planned)
    const { id } = await operator.grant(begunOf(invitation).peerId)
    const { token } = await operator.invite(id)
    await demandRedeemed(planned, site, { ...invitation!, token })
    return { invitation: invitation! }
  },
}

/** An invitation was asked for that nobody has. Code `HOLDFAST_INVITATION_GONE`. */
class InvitationGone extends HoldfastError {
  constructor(credential: string, holder: string) {
    super(
      'HOLDFAST_INVITATION_GONE',
      `credential ${credential}: ${holder} keeps no invitation, which is good for once; take a fresh one`,
    )
  }
}

export const liveEnrolmentToken: LiveKind<Planned, InvitationSummary> = {
  part: 'invitation',
  isGoodForOne: true,
  fresh,
  held: async ({ name, holders }) => Promise.reject(new InvitationGone(name, holders[0]!)),
  spoil,
  summary: ({ invitation }) => {
    if (invitation === undefined) return undefined
    const { commonName, grantId } = begunWith.get(invitation) ?? {}
    return { prefix: invitation.token.slice(0, 8), commonName, grantId }
  },
  proves: ({ grantId }) => ({ grantId }),
  explanation: (shown) =>
    shown === undefined ? [] : [`token     ${shown.prefix}…, for ${shown.commonName} and the grant ${shown.grantId}`],
  hints: ({ grantId }) => ({ grant: grantId }),
}
