import { decode, fromSeed, type User } from '@nats-io/jwt'
import type { HeldFiles } from '../credential-kind.ts'
import { type Finding, findingsAt, type Problem, secondsNeeded, timeProblems } from '../finding.ts'
import type { PlanNatsCreds } from './planned.ts'
import { readCreds, type UserCreds } from './user-creds.ts'
import './ed25519.ts'

/** What is wrong with the creds files that lie at their holders, without presenting them to anybody. */
export function credsFindings(held: readonly PlanNatsCreds[], files: HeldFiles): Promise<Finding[]> {
  return findingsAt(held, async (creds, holder, path) => {
    const read = await readCreds(await files.read(holder, path)).catch(() => undefined)
    return read === undefined ? [unreadable] : problemsOf(read, creds, files.now)
  })
}

const unreadable: Problem = ['readable', 'holds no credentials of a NATS user', 'have it handed over again']

function problemsOf({ jwt, seed }: UserCreds, { user, account }: PlanNatsCreds, now: number): Problem[] {
  const { name, sub, exp, nbf = 0, iat, nats } = decode<User>(jwt)
  const problems: Problem[] = []
  if (nats.type !== 'user') problems.push(['readable', `holds a JWT of the type ${nats.type}`, 'have a user made'])
  if (name !== user) {
    problems.push(['creds-swapped', `is of "${name}", and "${account}/${user}" is declared`, 'swap the two'])
  }
  if (publicKeyOf(seed) !== sub) {
    problems.push(['key', 'holds another key than the one that its JWT names', 'have it made anew'])
  }
  if (nats.bearer_token) problems.push(['bearer', 'works without its key', 'have one made that does not'])
  if (exp === undefined) return problems
  const lives = { begins: Math.max(nbf, iat) * 1000, ends: exp * 1000, needed: secondsNeeded }
  return [...problems, ...timeProblems(lives, now, 'have it rotated')]
}

function publicKeyOf(seed: string): string | undefined {
  try {
    return fromSeed(Buffer.from(seed)).getPublicKey()
  } catch {
    return undefined
  }
}
