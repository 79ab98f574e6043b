import type { Insider } from '../../topology/insider.ts'
import type { Plan, PlanCredential } from '../../topology/plan.ts'

/** The holders that can be told another secret while they run, and how. */
export function rollsOf(
  { name, holders }: Pick<PlanCredential, 'name' | 'holders'>,
  { nodes }: Pick<Plan, 'nodes'>,
): readonly (NonNullable<Insider['rolls']> & { readonly node: string })[] {
  return holders.flatMap((node) =>
    (nodes[node]?.units ?? []).flatMap(({ insider }) =>
      insider?.rolls?.credential === name ? { node, ...insider.rolls } : [],
    ),
  )
}
