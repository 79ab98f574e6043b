import { type Account, createAccount, decode, encodeAccount, type KeyPair } from '@nats-io/jwt'
import type { LiveSite } from '../live-site.ts'
import { insiderOf, keyAt } from './live.ts'
import type { PlanNatsCreds } from './planned.ts'
import { readCreds, type UserCreds } from './user-creds.ts'
import './ed25519.ts'

/** An account that somebody with the keys of its operator makes. */
export interface MadeAccount {
  readonly id: string
  readonly key: KeyPair
  /** Signs its users, for no role. */
  readonly signer: KeyPair
  /** Its claims, of which these are others than usual. */
  jwt(claims?: Partial<Account>): Promise<string>
}

/** Left out is nought, and nought is a limit. */
const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }

/** @param known the JWT of an account of that operator: what signed that one signs others */
export async function accountMaker(known: string, planned: PlanNatsCreds, site: LiveSite) {
  const operator = await keyAt(decode(known).iss, planned, site)
  return (name: string): MadeAccount => {
    const [key, signer] = [createAccount(), createAccount()]
    const signing_keys = [signer.getPublicKey()]
    return {
      ...{ id: key.getPublicKey(), key, signer },
      jwt: (claims = {}) => encodeAccount(name, key, { limits, signing_keys, ...claims }, { signer: operator }),
    }
  }
}

/** Whoever may give the broker claims of accounts. */
export async function pusherOf(planned: PlanNatsCreds, site: LiveSite): Promise<UserCreds> {
  return readCreds(await site.read(planned.issuer, insiderOf(planned).pusher))
}
