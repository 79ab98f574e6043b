import type { ServiceKind } from './kind.ts'
import type { ParameterValues } from './parameters.ts'

/** A topology that was read, and not yet checked: `compile` does that. */
export class LoadedTopology {
  /** The name or path that it was asked for by. */
  readonly source: string
  readonly value: unknown
  readonly parameters: ParameterValues
  /** Service kinds that it brings along. */
  readonly kinds: readonly ServiceKind[]

  constructor(source: string, value: unknown, parameters: ParameterValues, kinds: readonly ServiceKind[] = []) {
    this.source = source
    this.value = value
    this.parameters = parameters
    this.kinds = kinds
  }
}
