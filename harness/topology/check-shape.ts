import { z } from 'zod'
import { type Mistakes, nearest } from './mistakes.ts'
import type { Topology, topologySchema } from './schema.ts'

/** A well-formed topology: malformed declarations were taken out, so that checking can go on with the others. */
export interface ShapedTopology {
  readonly topology: Topology
  /** Names that the topology declares, those of malformed declarations among them. */
  readonly names: Readonly<Record<(typeof registers)[number], ReadonlySet<string>>>
  /** Where each of the remaining entries of `accepts` stood. */
  readonly acceptPlaces: readonly number[]
  /** Nothing was taken out: what is not used here is used nowhere. */
  readonly complete: boolean
}

const registers = ['trustDomains', 'networks', 'nodes', 'credentials'] as const

/**
 * Reports everything about a value that does not fit the schema.
 * Returns what can be checked further, or `undefined` when not even its outline is there.
 */
export function checkShape(
  value: unknown,
  schema: ReturnType<typeof topologySchema>,
  mistakes: Mistakes,
): ShapedTopology | undefined {
  const parsed = schema.safeParse(value)
  const issues = parsed.error?.issues ?? []
  addIssues(mistakes, [], issues, value, schema)
  if (issues.some(isOutline)) return undefined
  const kept = withoutMalformed(value as Topology, issues)
  // What was taken out of a list left a hole in it.
  const rest = parsed.success ? parsed : schema.safeParse({ ...kept, accepts: kept.accepts.flat(0) })
  if (!rest.success) return undefined
  const names = registers.map(
    (register) => [register, new Set(Object.keys((value as Topology)[register] ?? {}))] as const,
  )
  return {
    topology: rest.data,
    names: Object.fromEntries(names) as unknown as ShapedTopology['names'],
    acceptPlaces: Object.keys(kept.accepts).map(Number),
    complete: parsed.success,
  }
}

/** Adds what `schema` found wrong in `value`, which stands at `base` in the topology. */
export function addIssues(
  mistakes: Mistakes,
  base: readonly PropertyKey[],
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  schema: z.ZodType,
): void {
  for (const issue of issues) {
    const path = [...base, ...issue.path]
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const meant = nearest(key, memberNames(schema))
        const wayOut = meant === undefined ? 'remove it, or correct its spelling' : `did you mean ${meant}?`
        mistakes.add([...path, key], 'is no member that is known here', wayOut)
      }
    } else if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      addIssues(mistakes, path, closestBranch(issue.errors), valueAt(value, issue.path), schema)
    } else if (issue.code === 'invalid_key') {
      mistakes.add(path, issue.issues[0]?.message ?? issue.message)
    } else {
      mistakes.add(path, issueText(issue, valueAt(value, issue.path)))
    }
  }
}

/** The names of all members that a schema knows, at any depth. */
function memberNames(schema: z.ZodType): Set<string> {
  const names = new Set<string>()
  const walk = (part: unknown): void => {
    if (!isObject(part)) return
    if (isObject(part.properties)) for (const name of Object.keys(part.properties)) names.add(name)
    Object.values(part).forEach(walk)
  }
  walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
  return names
}

/** Of the alternatives of a union, the one whose type is that of the value; otherwise the last, which says most. */
function closestBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const without = (...codes: string[]) =>
    branches.find((branch) => !branch.some(({ code, path }) => path.length === 0 && codes.includes(code)))
  return without('invalid_type', 'invalid_value') ?? without('invalid_type') ?? branches.at(-1) ?? []
}

function issueText(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_type' && value === undefined) return `is missing: write ${article(issue.expected)}`
  if (issue.code === 'invalid_type') return `must be ${article(issue.expected)}, not ${shown(value)}`
  const isOwnText = !/^(Invalid|Too) /.test(issue.message)
  if (issue.code === 'invalid_value' && !isOwnText)
    return `must be one of ${issue.values.map(shown).join(', ')}, not ${shown(value)}`
  if (issue.code === 'invalid_union') {
    const options: unknown[] = 'options' in issue && Array.isArray(issue.options) ? issue.options : []
    return `must be one of ${options.map(shown).join(', ')}, not ${shown(value)}`
  }
  const message = issue.message.replace(/^(Invalid input|Too small|Too big): /, '')
  return typeof value === 'string' ? `${message}; it is ${shown(value)}` : message
}

const articles: Readonly<Record<string, string>> = {
  record: 'an object',
  object: 'an object',
  array: 'a list',
  string: 'a text',
}

function article(expected: string): string {
  return articles[expected] ?? `a ${expected}`
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, part) => (isObject(at) ? at[part as string] : undefined), value)
}

/** The value or a register as a whole is wrong: every name in it would be reported as undeclared. */
function isOutline({ code, path }: z.core.$ZodIssue): boolean {
  if (path.length === 0) return code !== 'unrecognized_keys'
  return path.length === 1 && path[0] !== 'name' && path[0] !== 'summary'
}

function withoutMalformed(value: Topology, issues: readonly z.core.$ZodIssue[]): Topology {
  const kept: Record<PropertyKey, unknown> = { ...value, accepts: [...value.accepts] }
  for (const register of registers) kept[register] = { ...value[register] }
  for (const issue of issues) {
    const [register = '', name] = issue.path
    if (name !== undefined) Reflect.deleteProperty(kept[register] as object, name)
    else if (register === 'name') kept.name = 'topology'
    else if (register === 'summary') kept.summary = '?'
    else if (issue.code === 'unrecognized_keys') for (const key of issue.keys) delete kept[key]
  }
  return kept as Topology
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
