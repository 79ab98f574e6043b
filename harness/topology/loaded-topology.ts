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
  /** Folder of its file, to which the paths in it are relative; absent where it has none. */
  readonly folder: string | undefined

  constructor(
    source: string,
    value: unknown,
    parameters: ParameterValues,
    { kinds = [], folder }: { kinds?: readonly ServiceKind[]; folder?: string } = {},
  ) {
    this.source = source
    this.value = value
    this.parameters = parameters
    this.kinds = kinds
    this.folder = folder
  }
}
