import { mendingLine } from '../topology/hops.ts'
import type { Verdict } from './verdict.ts'

type Told = Pick<Verdict, 'hop' | 'to' | 'verdict' | 'verification' | 'guard' | 'reason' | 'credential' | 'live'> &
  Partial<Pick<Verdict, 'control'>>

/**
 * The node that is at fault where a call is refused through it and accepted at its target directly: which header field does not come
 * through, and the line that hands it on. `direct`: an accepted call of the same credential. Undefined where no such node is at fault.
 */
export function hopAtFault(call: Told, direct: Told | undefined = call.control?.call): string | undefined {
  const { hop, to } = call
  if (hop === undefined || call.verdict === 'accepted') return undefined
  if (direct?.verdict !== 'accepted' || direct.hop !== undefined) return undefined
  const place = `${hop.node} (unit ${hop.unit})`
  const field = lostField(call)
  if (field === undefined) return `${place}: ${to} accepts the same call directly, and refuses it through ${hop.node}`
  const file = hop.mend.file.replace('@{unit}', `units/${hop.unit}`).replace('@{dir}/', '')
  const line = mendingLine(hop, field)
  return `${place} does not hand on ${field}, which reaches ${to} when it is called directly; write into ${hop.mend.place} of ${file}: ${line}`
}

/** The field of what was presented and is missing at the target, as it says itself. */
function lostField({ verification, guard, reason, credential, live }: Told): string | undefined {
  const { checks = [], behind = {}, fields = {} } = verification ?? {}
  const missing = checks.find((one) => {
    if (one.settles || !one.check.endsWith('/presented') || one.guard !== guard) return false
    return reason === one.reason || reason === behind[one.reason]
  })
  const part = live.get(missing?.check.split('/')[0] ?? '')?.part
  return part === undefined || credential[part] === undefined ? undefined : fields[part]
}
