import type { Account, ClaimsData, Operator, User } from '@nats-io/jwt'
import { type AccountName, USERS, type UserName } from '../shared/nats/roles.ts'
import { decodeSigned } from '../shared/nats/signed-jwt.ts'
import { NscFailed } from './failures.ts'
import type { Nsc } from './nsc.ts'

// What stands in the store, as nsc tells it.

type StrictOperator = Operator & { strict_signing_key_usage?: boolean }

export type OperatorClaims = ClaimsData<StrictOperator>
export type AccountClaims = ClaimsData<Account>
export type UserClaims = ClaimsData<User>

export interface Described<Claims> {
  readonly jwt: string
  readonly claims: Claims
}

export function operatorClaims(nsc: Nsc): Promise<Described<OperatorClaims>> {
  return described(nsc, ['operator'])
}

export function accountClaims(nsc: Nsc, name: AccountName): Promise<Described<AccountClaims>> {
  return described(nsc, ['account', name])
}

export async function userClaims(nsc: Nsc, name: UserName): Promise<UserClaims> {
  const { claims } = await described<UserClaims>(nsc, ['user', '--account', USERS[name].account, '--name', name])
  return claims
}

/** Undefined where there is none: a rotation that was stopped may have deleted it, and not made it anew. */
export async function findUser(nsc: Nsc, name: UserName): Promise<UserClaims | undefined> {
  try {
    return await userClaims(nsc, name)
  } catch (failure) {
    if (failure instanceof NscFailed && /\bnot (found|exist)/.test(failure.message)) return undefined
    throw failure
  }
}

/** Whether an account has ended what was issued to this user then. */
export function isRevoked({ nats }: AccountClaims, { sub, iat }: UserClaims): boolean {
  const { revocations = {} } = nats
  return [sub, '*'].some((key) => iat <= (revocations[key] ?? 0))
}

async function described<Claims>(nsc: Nsc, what: readonly string[]): Promise<Described<Claims>> {
  const args = ['describe', ...what, '--raw']
  const jwt = (await nsc.run(args)).trim()
  try {
    return { jwt, claims: decodeSigned(jwt) as Claims }
  } catch (cause) {
    throw new NscFailed(`nsc ${args.join(' ')}`, `printed no JWT: ${(cause as Error).message}`, { cause })
  }
}

/** Public keys that sign for a claim's subject, by role; those without a role under ''. */
export function signingKeys({ nats }: ClaimsData<{ signing_keys?: Account['signing_keys'] }>): Map<string, string[]> {
  const keys = new Map<string, string[]>()
  for (const entry of nats.signing_keys ?? []) {
    const { role, key } = typeof entry === 'string' ? { role: '', key: entry } : entry
    keys.set(role, [...(keys.get(role) ?? []), key])
  }
  return keys
}
