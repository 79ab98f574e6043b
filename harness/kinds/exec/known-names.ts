import type { UnitContext } from '../../topology/kind.ts'
import { nearest } from '../../topology/mistakes.ts'
import { reasons } from './reasons.ts'
import type { ExecSettings } from './settings.ts'

/** Reports what stands in the settings and stands for nothing: `@{prot}`, or a reason that no verdict names. */
export function demandKnownNames(unit: UnitContext<ExecSettings>, placeholders: readonly string[]): void {
  const { run = [], reload = [], env, observe } = unit.settings
  const addresses = Object.keys(unit.topology.nodes).map((node) => `address:${node}`)
  const texts = {
    run,
    reload,
    ...Object.fromEntries(Object.entries(env).map(([name, text]) => [`env.${name}`, [text]])),
  }
  for (const [path, parts] of Object.entries(texts)) {
    for (const [whole, name = ''] of parts.flatMap((text) => [...text.matchAll(/@\{([^}]*)\}/g)])) {
      if ([...placeholders, 'unit', ...addresses].includes(name)) continue
      const meant = nearest(name, [...placeholders, ...addresses])
      const known = [...placeholders, 'address:NODE'].map((one) => `@{${one}}`).join(', ')
      unit.mistake(
        `settings.${path}`,
        `${whole} stands for nothing; ${meant === undefined ? '' : `did you mean @{${meant}}? `}There are ${known}`,
      )
    }
  }
  const words = observe === 'status' ? undefined : observe.reasons
  for (const name of Object.keys(words ?? {})) {
    if (reasons.includes(name)) continue
    const meant = nearest(name, reasons)
    const wayOut = meant === undefined ? `reasons are ${reasons.join(', ')}` : `did you mean ${meant}?`
    unit.mistake(`settings.observe.reasons.${name}`, `is no reason that a verdict names; ${wayOut}`)
  }
}
