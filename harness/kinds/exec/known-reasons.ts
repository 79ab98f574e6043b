import type { UnitContext } from '../../topology/kind.ts'
import { nearest } from '../../topology/mistakes.ts'
import { reasons } from './reasons.ts'
import type { ExecSettings } from './settings.ts'

/** Reports a reason that no verdict names. */
export function demandKnownReasons(unit: UnitContext<ExecSettings>): void {
  const { observe } = unit.settings
  const words = observe === 'status' ? undefined : observe.reasons
  for (const name of Object.keys(words ?? {})) {
    if (reasons.includes(name)) continue
    const meant = nearest(name, reasons)
    const wayOut = meant === undefined ? `reasons are ${reasons.join(', ')}` : `did you mean ${meant}?`
    unit.mistake(`settings.observe.reasons.${name}`, `is no reason that a verdict names; ${wayOut}`)
  }
}
