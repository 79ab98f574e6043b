// #region live
import { randomBytes } from 'node:crypto'
import { type NearMissName, nearMiss, nearMissesOf } from '../../tokens/near-misses.ts'
import { placeOf } from '../../topology/holders.ts'
import type { JudgedCall, LiveKind, Spoiling } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import type { NearSecret, SpoiledSecret } from './checks.ts'
import type { PlanBearerSecret } from './planned.ts'
import { refOf } from './ref.ts'
import { endSecond, tellSecond } from './second.ts'
import { textOf } from './secrets.ts'

export interface SecretSummary {
  /** Tells two secrets apart, and is worth nothing to whoever reads it. */
  readonly ref: string
  readonly length: number
}

type Spoiled = Spoiling<PlanBearerSecret>

const spoil: Readonly<Record<SpoiledSecret, Spoiled>> = {
  'another one': async (_, planned) => ({ secret: another(planned) }),
  empty: async () => ({ secret: '' }),
  'second of two': async (_, planned, site) => {
    const secret = another(planned)
    await tellSecond(secret, planned, site)
    return { secret }
  },
  ended: async (_, planned, site) => {
    const secret = another(planned)
    await tellSecond(secret, planned, site)
    await endSecond(secret, planned, site)
    return { secret }
  },
  ...(Object.fromEntries(nearMissesOf.secret.map((name) => [name, nearly(name)])) as Record<NearSecret, Spoiled>),
}

function another({ bytes, format }: PlanBearerSecret): string {
  return randomBytes(bytes).toString(format)
}

function nearly(name: NearMissName): Spoiled {
  return async ({ secret = '' }) => ({ secret: String(nearMiss(name, secret)) })
}

/** All who hold it have the same one, so a fresh one is the one that lies there. */
async function held(planned: PlanBearerSecret, site: Pick<LiveSite, 'read'>, holder: string): Promise<Presented> {
  return { secret: textOf(await site.read(holder, placeOf(planned, holder))) }
}

/** Who names a secret can only name the one that it was shown. */
function misnamed({ credential: { secret }, to }: Pick<JudgedCall, 'credential' | 'to'>, proven?: string) {
  if (proven === undefined || proven === secret?.ref) return undefined
  return `${to} proved the secret ${proven}, presented was ${secret?.ref ?? 'none'}`
}

export const liveBearerSecret: LiveKind<PlanBearerSecret, SecretSummary> = {
  part: 'secret',
  fresh: held,
  held,
  spoil,
  summary: ({ secret }) => (secret === undefined ? undefined : { ref: refOf(secret), length: secret.length }),
  proves: ({ ref }) => ({ tokenRef: ref }),
  explanation: (summary) => (summary ? [`secret    ref ${summary.ref}, ${summary.length} characters`] : []),
  mismatch: (call) => misnamed(call, call.principal.tokenRef),
  refusalProblems: (call, { principal }) => [misnamed(call, principal.tokenRef) ?? []].flat(),
}
// #endregion
