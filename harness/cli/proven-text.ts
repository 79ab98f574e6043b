import type { ToldCall } from '../site/told-call.ts'
import { paint } from './output.ts'
import type { ScenarioResult } from './run-scenarios.ts'

/** One line for a test that passed: `✓ claim: test → refused 401 issuer_untrusted (token.issuer), control ✓`. */
export function provenLine({ scenario, name, calls = [], measured = [] }: ScenarioResult): string {
  const refusals = [...new Set(calls.filter(({ verdict }) => verdict === 'refused').map(refusalText))]
  const accepted = [...new Set(calls.filter(({ verdict }) => verdict === 'accepted').map(acceptText))]
  const times = measured.map(({ what, ms, boundMs }) => `${what} ${ms} of ${boundMs} ms`)
  const proven = [...(refusals.length > 0 ? refusals : accepted), ...times]
  const [first, second, ...more] = proven
  const shown = [first, second].filter((text) => text !== undefined).join('; ')
  const rest = more.length > 0 ? `; and ${more.length} more` : ''
  return `${paint('green', '✓')} ${scenario}: ${name}${shown === '' ? '' : ` → ${shown}${rest}`}`
}

function refusalText({ status, layer, reason, guard, control, weakerProof }: ToldCall): string {
  const how = status === null ? `in ${layer === 'tls' ? 'TLS' : layer}` : String(status)
  const unproven = weakerProof === undefined ? 'for no recorded reason' : `by ${weakerProof}`
  const why = reason === null ? unproven : `${reason} (${guard ?? weakerProof ?? 'no guard'})`
  const beside = control === undefined ? '' : `, control ${control.accepted ? '✓' : '✗'}`
  return `refused ${how} ${why}${beside}`
}

function acceptText({ status, to, weakerProof }: ToldCall): string {
  const by = weakerProof === undefined ? to : `${to}, by ${weakerProof}`
  return `accepted ${status ?? ''} by ${by}`.replace('  ', ' ')
}
