import { fmtCreds, fromSeed } from '@nats-io/jwt'
import type { LiveSite } from '../live-site.ts'
import { ofRole } from './live.ts'
import type { PlanNatsCreds } from './planned.ts'
import './ed25519.ts'

type Forged = Awaited<ReturnType<Parameters<typeof ofRole>[0]>>

/**
 * A creds file as somebody with the keys of its maker could write one: for another key of the same role, with other times, claims, or
 * another account.
 */
export async function forgedCreds(at: LiveSite, planned: PlanNatsCreds, how: Forged = {}): Promise<string> {
  const { creds } = await ofRole(() => how)(await at.held(planned.name), planned, at)
  return Buffer.from(fmtCreds(creds!.jwt, fromSeed(Buffer.from(creds!.seed)))).toString()
}
