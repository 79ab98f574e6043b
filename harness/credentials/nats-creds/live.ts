import {
  Algorithms,
  createAccount,
  createUser,
  decode,
  encode,
  encodeAccount,
  encodeUser,
  fromSeed,
  type KeyPair,
  type User,
  type UserEncodingOptions,
} from '@nats-io/jwt'
import { decodeJwt } from 'jose'
import { placeOf } from '../../topology/holders.ts'
import type { ActionVerification } from '../../topology/verification.ts'
import { type JudgedCall, type LiveKind, type MadeRecord, NoOther, NotIssued, type Spoiling } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import type { SpoiledCreds } from './checks.ts'
import type { PlanNatsCreds } from './planned.ts'
import { readCreds, type UserCreds } from './user-creds.ts'
import './ed25519.ts'

export interface CredsSummary {
  /** Public key of the user. */
  readonly user: string
  readonly name: string
  /** Of its account, and of the key that signed it. */
  readonly account: string
  readonly issuer: string
  /** Whether there is a key to it. */
  readonly hasKey: boolean
  readonly expires?: string
}

type Planned = PlanNatsCreds
type Spoiled = Spoiling<Planned>

const nowSeconds = () => Math.floor(Date.now() / 1000)
/** More than clocks differ, and less than anybody waits. */
const later = 120

/** What is left out of a JWT that no role completes is nought. */
const unlimited = { pub: { allow: ['>'] }, sub: { allow: ['>'] }, subs: -1, data: -1, payload: -1 }

const spoil: Readonly<Record<SpoiledCreds, Spoiled>> = {
  expired: ofRole(() => ({ times: { exp: nowSeconds() - 1 } })),
  'not yet valid': ofRole(() => ({ times: { nbf: nowSeconds() + later } })),
  tampered: async ({ creds }) => ({ creds: { ...creds!, jwt: edited(creds!.jwt) } }),
  'signed by itself': async ({ creds }) => {
    const key = fromSeed(Buffer.from(creds!.seed))
    const jwt = await encode(Algorithms.v2, { ...decode(creds!.jwt) }, key)
    return { creds: { ...creds!, jwt } }
  },
  'with the JWT of its account': async ({ creds }, planned, site) => {
    const { account } = await insiderKeys(creds!, planned, site)
    return { creds: { jwt: await encodeAccount(planned.account, account), seed: textOf(account.getSeed()) } }
  },
  'without a key': async ({ creds }) => ({ creds: { ...creds!, seed: '' } }),
  'with another key': async ({ creds }) => ({ creds: { ...creds!, seed: textOf(createUser().getSeed()) } }),
  'of another operator': async (_, { user }) => {
    // Whoever signed the account of another operator: no broker of this one knows it.
    const key = createUser()
    return { creds: { jwt: await encodeUser(user, key, createAccount()), seed: textOf(key.getSeed()) } }
  },
  'naming another account': ofRole(async (planned, site) => ({ account: await otherAccount(planned, site) })),
  'naming no account': ofRole(() => ({ account: null })),
  'with permissions of its own': ofRole(() => ({ claims: unlimited })),
  'signed by its account': async ({ creds }, planned, site) => {
    const { account } = await insiderKeys(creds!, planned, site)
    return { creds: await userOf(planned.user, account.getPublicKey(), { signer: account }) }
  },
  'as a bearer': async (...what) => {
    const { creds } = await ofNoRole({ bearer_token: true })(...what)
    return { creds: { ...creds!, seed: '' } }
  },
  'for WebSockets': ofNoRole({ allowed_connection_types: ['WEBSOCKET'] }),
  // RFC 5737 section 3: nobody has such an address.
  'from elsewhere': ofNoRole({ src: ['192.0.2.0/24'] }),
  'at another hour': async (...what) => ofNoRole({ times: [minuteFrom(Date.now() + 6 * 3_600_000)] })(...what),
  revoked: async (fresh, planned, site) => {
    const made = await ofRole(() => ({}))(fresh, planned, site)
    await revoke(made.creds!, planned, site)
    return made
  },
}

interface Made {
  readonly claims?: Partial<User>
  readonly times?: Partial<UserEncodingOptions>
  /** Public key of the account that it names; null: none. */
  readonly account?: string | null
  /** Public key of what signs it in the place of the key of its role. */
  readonly signer?: string
}

/** One more user of the same role, which an insider signs with the key of that. */
export function ofRole(how: (planned: Planned, site: LiveSite) => Made | Promise<Made>): Spoiled {
  return async ({ creds }, planned, site) => {
    const { claims = {}, times = {}, signer, ...made } = await how(planned, site)
    const { role, accountId } = await insiderKeys(creds!, planned, site, signer)
    const { account = accountId } = made
    const key = createUser()
    const issuer = account === null ? role : account
    const options = { ...times, scopedUser: true, ...(account !== null && { signer: role }) }
    return { creds: { jwt: await encodeUser(planned.user, key, issuer, claims, options), seed: textOf(key.getSeed()) } }
  }
}

/** One more user with limits of its own, which a role allows nobody: signed with a key that stands for none, of an account that has one. */
function ofNoRole(claims: Partial<User>): Spoiled {
  return async (_, planned, site) => {
    const record = await recordOf(planned, site)
    const { account, key } = insiderOf(planned).signer
    const found = key.reduce<unknown>((at, name) => (at as Readonly<Record<string, unknown>>)[name], record)
    const signer = await keyAt(String(found), planned, site)
    return { creds: await userOf(planned.user, record.accounts[account]!, { signer, claims }) }
  }
}

/** A user of an account by its public key, who may what his own claims say: all, unless they say otherwise. */
export async function userOf(
  name: string,
  account: string,
  { signer, claims = {} }: { signer: KeyPair; claims?: Partial<User> },
): Promise<UserCreds> {
  const key = createUser()
  return { jwt: await encodeUser(name, key, account, claims, { signer }), seed: textOf(key.getSeed()) }
}

function minuteFrom(time: number) {
  const text = (at: number) => new Date(at).toISOString().slice(11, 19)
  return { start: text(time), end: text(time + 60_000) }
}

function edited(jwt: string): string {
  const [header, payload = '', signature] = jwt.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  return [header, Buffer.from(JSON.stringify({ ...claims, name: 'other' })).toString('base64url'), signature].join('.')
}

/** Private keys that made a user, as they lie where it was made. */
async function insiderKeys(creds: UserCreds, planned: Planned, site: LiveSite, signer?: string) {
  const { account, issuer } = claimsOf(creds)
  const [own, role] = await Promise.all([keyAt(account, planned, site), keyAt(signer ?? issuer, planned, site)])
  return { account: own, accountId: account, role }
}

/** The private key of a public one, as it lies where users are made. */
export async function keyAt(publicKey: string, planned: Planned, site: LiveSite): Promise<KeyPair> {
  const { keys } = insiderOf(planned)
  const path = `${keys}/${publicKey[0]}/${publicKey.slice(1, 3)}/${publicKey}.nk`
  return fromSeed(Buffer.from((await site.read(planned.issuer, path)).trim()))
}

export function insiderOf({ insider, issuer }: Planned) {
  if (insider === undefined) throw new NoOther(issuer)
  return insider
}

async function recordOf(planned: Planned, site: LiveSite) {
  const record = await site.read(planned.issuer, insiderOf(planned).record)
  return JSON.parse(record) as { accounts: Readonly<Record<string, string>> }
}

async function otherAccount(planned: Planned, site: LiveSite): Promise<string> {
  const { accounts } = await recordOf(planned, site)
  const [, other] = Object.entries(accounts).find(([name]) => name !== planned.account) ?? []
  if (other === undefined) throw new NoOther(planned.issuer)
  return other
}

/** Has the issuer end a user; once that has ended, the broker knows. @throws NotIssued */
export async function revoke(creds: UserCreds, planned: Planned, site: LiveSite): Promise<void> {
  const input = JSON.stringify({ account: planned.account, key: claimsOf(creds).user })
  const { code, stderr } = await site.run(planned.issuer, insiderOf(planned).revoke, input)
  if (code !== 0) throw new NotIssued(planned.name, 'revoke its user', code, stderr)
}

/** What a JWT says, whether or not that is true. */
function claimsOf({ jwt, seed }: UserCreds): CredsSummary {
  const { sub = '', iss = '', exp, name, nats } = readable(jwt)
  return {
    ...{ user: sub, name: name ?? '', account: nats?.issuer_account ?? iss, issuer: iss, hasKey: seed !== '' },
    ...(exp !== undefined && { expires: new Date(exp * 1000).toISOString() }),
  }
}

/** Of what is no JWT at all nothing is known. */
function readable(jwt: string): ReturnType<typeof decodeJwt<{ name?: string; nats?: Partial<User> }>> {
  try {
    return decodeJwt(jwt)
  } catch {
    return { name: 'unreadable' }
  }
}

function textOf(seed: Uint8Array): string {
  return Buffer.from(seed).toString()
}

async function held(planned: Planned, site: LiveSite, holder: string): Promise<Presented> {
  const creds = await readCreds(await site.read(holder, placeOf(planned, holder)))
  return { ...(await site.held(planned.token ?? planned.certificate)), creds }
}

/** Nsc makes one user of a name: all tests have that one, so none may end it. Those that end are made beside it. */
async function fresh(planned: Planned, site: LiveSite, holder: string, beside?: Presented): Promise<Presented> {
  const companions = beside ?? (await site.fresh(planned.token ?? planned.certificate))
  const creds = await readCreds(await site.read(holder, placeOf(planned, holder)))
  return { ...companions, creds }
}

/** Who names a user can only name the one that logged in. */
function misnamed({ credential: { creds }, to }: Pick<JudgedCall, 'credential' | 'to'>, proven?: string) {
  if (proven === undefined || proven === creds?.user) return undefined
  return `${to} proved the user ${proven}, presented was ${creds?.user ?? 'none'}`
}

/** Where another program decides about one user, a token says nothing beside any other. */
function suffices({ creds }: Presented, { checks }: ActionVerification): boolean {
  const deferring = checks.find(({ check, settles }) => settles && check === 'nats-creds/not-deferred')
  return creds !== undefined && deferring !== undefined && claimsOf(creds).name !== deferring.args?.user
}

export const liveNatsCreds: LiveKind<Planned, CredsSummary> = {
  part: 'creds',
  fresh,
  held,
  spoil,
  suffices,
  summary: ({ creds }) => (creds === undefined ? undefined : claimsOf(creds)),
  proves: ({ user }) => ({ user }),
  explanation: (summary) => {
    if (summary === undefined) return []
    const { user, name, account, expires = 'it is revoked', hasKey } = summary
    const key = hasKey ? '' : ', without a key'
    return [`creds     ${name} (${user}) of ${account}, until ${expires}${key}`]
  },
  facts: ({ user, name, account, issuer, expires }) => ({
    'user of the credentials': `${name} (${user})`,
    'their account': account,
    'their issuer': issuer,
    'their end': expires,
  }),
  mismatch: (call) => misnamed(call, call.principal.user),
  refusalProblems: (call, { principal }: MadeRecord) => [misnamed(call, principal.user) ?? []].flat(),
}
