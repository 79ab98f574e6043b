import type { PartName, Presented } from '../../credentials/parts.ts'

/** A text of what is presented, at a place of its own in a path or in JSON: `{invitation.token}`. */
const placeholder = /\{([a-z]+)\.([A-Za-z]+)\}/g

/** The value with what is presented in its places: nothing where that is not presented. */
export function placed<Value>(value: Value, presented: Presented): Value {
  if (typeof value === 'string') {
    return value.replaceAll(placeholder, (_, part: string, member: string) => {
      return (presented as Readonly<Record<string, Readonly<Record<string, string>>>>)[part]?.[member] ?? ''
    }) as Value
  }
  if (Array.isArray(value)) return value.map((one) => placed(one, presented)) as Value
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, placed(one, presented)])) as Value
}

/** The parts that have a place in it, and are presented. */
export function placesIn(value: unknown, presented: Presented): PartName[] {
  const found = JSON.stringify(value ?? null).matchAll(placeholder)
  const parts = new Set([...found].map(([, part]) => part as PartName))
  return [...parts].filter((part) => presented[part] !== undefined)
}
