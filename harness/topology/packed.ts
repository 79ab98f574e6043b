import type { ParameterDeclarations, ParameterValues } from './parameters.ts'

/**
 * A shipped topology as `nix/topologies/topologies.json` keeps it, so that all of its parameters work without Nix: its values,
 * or, where parameters change its shape, those of each value of the first one, in which the next one may do the same.
 */
export type PackedTopology = { summary: string; parameters: ParameterDeclarations } & Packed
export type Packed = PackedValues | PackedVariants

/**
 * `base` is the value with the smallest count. `growth.steps` hold what each further count adds: members of objects, and
 * entries at the end of lists. A parameter that only fills fields stands there as `{ "$parameter": name }`.
 */
export interface PackedValues {
  base: unknown
  growth?: { parameter: string; steps: readonly unknown[] }
}

interface PackedVariants {
  variants: { parameter: string; values: Readonly<Record<string, Packed>> }
}

/** The value of a packed topology. `parameters` are complete and fit, as `readParameters` returns them. */
export function unpack(packed: PackedTopology, parameters: ParameterValues): unknown {
  return fill(grown(valuesOf(packed, parameters), packed.parameters, parameters), parameters)
}

function valuesOf(packed: Packed, parameters: ParameterValues): PackedValues {
  if ('base' in packed) return packed
  const { parameter, values } = packed.variants
  return valuesOf(values[String(parameters[parameter])] ?? { base: {} }, parameters)
}

function grown({ base, growth }: PackedValues, declarations: ParameterDeclarations, parameters: ParameterValues) {
  if (growth === undefined) return base
  const declaration = declarations[growth.parameter]
  const smallest = declaration !== undefined && 'min' in declaration ? declaration.min : 0
  return growth.steps.slice(0, Number(parameters[growth.parameter]) - smallest).reduce(grow, base)
}

function grow(value: unknown, step: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(step)) return [...value, ...step]
  if (!isObject(value) || !isObject(step)) return step
  const result: Record<string, unknown> = { ...value }
  for (const [name, added] of Object.entries(step)) {
    result[name] = Object.hasOwn(value, name) ? grow(value[name], added) : added
  }
  return result
}

function fill(value: unknown, parameters: ParameterValues): unknown {
  if (Array.isArray(value)) return value.map((entry) => fill(entry, parameters))
  if (!isObject(value)) return value
  if (typeof value.$parameter === 'string') return parameters[value.$parameter]
  const filled = Object.entries(value).map(([name, member]) => [name, fill(member, parameters)] as const)
  // A parameter that is null leaves its member out, as in Nix.
  return Object.fromEntries(filled.filter(([, member]) => member !== null))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
