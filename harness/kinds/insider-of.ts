import type { Insider } from '../topology/insider.ts'
import type { UnitContext } from '../topology/kind.ts'

/** What the first unit of a node that says anything of it says of its insiders under that name. */
export function insiderOf<Name extends keyof Insider>(
  { insiders }: Pick<UnitContext<unknown>, 'insiders'>,
  node: string | undefined,
  name: Name,
): Insider[Name] {
  return insiders().find((one) => one.node === node && one.insider[name] !== undefined)?.insider[name]
}
