import type { ServiceKind } from './kind.ts'
import type { ParameterDeclaration, ParameterDeclarations } from './parameters.ts'
import type { TopologyDeclaration } from './schema.ts'

type ValueOf<Declaration extends ParameterDeclaration> = Declaration extends { min: number }
  ? number
  : Declaration extends { oneOf: readonly (infer Choice)[] }
    ? Choice
    : Declaration extends { default: boolean }
      ? boolean
      : Declaration extends { default: string }
        ? string
        : string | null

/** The parameters of a topology as its function gets them. */
export type ValuesOf<Declarations extends ParameterDeclarations> = {
  [Name in keyof Declarations]: ValueOf<Declarations[Name]>
}

const definition = Symbol.for('holdfast.topology')

/** A topology written in TypeScript: a function of its parameters. */
export interface TopologyDefinition {
  readonly [definition]: true
  readonly name: string
  readonly parameters: ParameterDeclarations
  /** Service kinds of its own, beside those that come with the harness. */
  readonly kinds: readonly ServiceKind[]
  instance(parameters: Readonly<Record<string, unknown>>): TopologyDeclaration
}

/**
 * Declares a topology in TypeScript; a file that `holdfast up ./lab.ts` loads exports it as its default.
 *
 * ```ts
 * export default defineTopology({
 *   name: 'lab',
 *   summary: 'One CA and some nodes.',
 *   parameters: { nodes: { default: 2, min: 1, max: 9, summary: 'How many nodes.' } },
 *   value: ({ nodes }) => ({ trustDomains: {}, nodes: {}, credentials: {}, accepts: [] }),
 * })
 * ```
 */
export function defineTopology<const Declarations extends ParameterDeclarations = Record<never, never>>(declared: {
  name: string
  summary: string
  parameters?: Declarations
  kinds?: readonly ServiceKind[]
  value(parameters: ValuesOf<Declarations>): Omit<TopologyDeclaration, 'name' | 'summary'>
}): TopologyDefinition {
  const { name, summary, parameters = {}, kinds = [] } = declared
  const instance: TopologyDefinition['instance'] = (given) => {
    return { name, summary, ...declared.value(given as ValuesOf<Declarations>) }
  }
  return { [definition]: true, name, parameters, kinds, instance }
}

/** Whether a value was made by {@link defineTopology}, of this or another copy of the package. */
export function isTopologyDefinition(value: unknown): value is TopologyDefinition {
  return typeof value === 'object' && value !== null && definition in value
}
