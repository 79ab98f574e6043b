import { z } from 'zod'
import { StartFailure } from '../../shared/start-failure.ts'

/** A parameter that does not fit its schema: JSON pointers (RFC 6901) into the schema and into the parameters. */
export interface ParamsMistake {
  readonly schemaPath: string
  readonly at: string
  readonly message: string
}

export type ParamsResult =
  | { readonly params: Readonly<Record<string, unknown>>; readonly mistakes?: undefined }
  | { readonly params?: undefined; readonly mistakes: readonly ParamsMistake[] }

export type ParamsCheck = (given: Readonly<Record<string, unknown>>) => ParamsResult

type JsonSchema = Readonly<Record<string, unknown>>

/** Keywords that restrict something without being checked, if they stood alone: zod looks at them only beside a type. */
const BESIDE_TYPE = new Set(
  (
    'properties required additionalProperties patternProperties propertyNames minProperties maxProperties items prefixItems minItems ' +
    'maxItems uniqueItems contains minContains maxContains minLength maxLength pattern format minimum maximum exclusiveMinimum ' +
    'exclusiveMaximum multipleOf'
  ).split(' '),
)
const ALONE = new Set(
  'type enum const anyOf oneOf allOf $ref $defs $schema title description default examples $comment'.split(' '),
)

/**
 * Reads the schema of a pipeline's parameters: JSON Schema (draft 2020-12) of an object, as far as all of it is checked. Defaults are filled
 * in. Throws `StartFailure` (`config_invalid`) for the rest: a restriction that nobody looks at would look like one.
 */
export function paramsCheck(pipeline: string, schema: JsonSchema): ParamsCheck {
  const refuse = (what: string): never => {
    throw new StartFailure('config_invalid', `pipelines.${pipeline}.params: ${what}`)
  }
  if (schema.type !== 'object') refuse('must be the JSON Schema of an object; give it "type": "object"')
  demandChecked(schema, '', refuse)
  let judged: z.ZodType
  try {
    judged = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
  } catch (cause) {
    return refuse(`${(cause as Error).message}; say it otherwise`)
  }
  return (given) => {
    const read = judged.safeParse(given)
    if (read.success) return { params: read.data as Record<string, unknown> }
    return { mistakes: read.error.issues.map((issue) => mistakeOf(issue, schema)) }
  }
}

function demandChecked(value: unknown, at: string, refuse: (what: string) => never): void {
  if (typeof value === 'boolean') return
  if (value === null || typeof value !== 'object' || Array.isArray(value)) refuse(`${at || '/'} is no schema`)
  const schema = value as JsonSchema
  const names = Object.keys(schema)
  const strange = names.find((name) => !BESIDE_TYPE.has(name) && !ALONE.has(name))
  if (strange !== undefined) refuse(`${at}/${strange} is not checked; leave it out`)
  const lonely = schema.type === undefined && names.find((name) => BESIDE_TYPE.has(name))
  if (lonely) refuse(`${at}/${lonely} is not checked without a type; add one`)
  const properties = (schema.properties ?? {}) as JsonSchema
  const unnamed = ((schema.required ?? []) as string[]).find((name) => !Object.hasOwn(properties, name))
  if (unnamed !== undefined) refuse(`${at}/required names ${unnamed}, which is no property`)
  for (const [where, inner] of innerOf(schema)) demandChecked(inner, `${at}${where}`, refuse)
}

function innerOf(schema: JsonSchema): [string, unknown][] {
  const maps = ['properties', 'patternProperties', '$defs'].flatMap((name) =>
    Object.entries((schema[name] ?? {}) as JsonSchema).map(([key, inner]): [string, unknown] => [
      `/${name}/${escaped(key)}`,
      inner,
    ]),
  )
  const lists = ['anyOf', 'oneOf', 'allOf', 'prefixItems'].flatMap((name) =>
    ((schema[name] ?? []) as unknown[]).map((inner, index): [string, unknown] => [`/${name}/${index}`, inner]),
  )
  const single = ['items', 'contains', 'additionalProperties']
    .filter((name) => schema[name] !== undefined)
    .map((name): [string, unknown] => [`/${name}`, schema[name]])
  return [...maps, ...lists, ...single]
}

const BOUNDS: Readonly<Record<string, readonly [string, string]>> = {
  string: ['minLength', 'maxLength'],
  array: ['minItems', 'maxItems'],
  object: ['minProperties', 'maxProperties'],
}

function mistakeOf(issue: z.core.$ZodIssue, schema: JsonSchema): ParamsMistake {
  const walked = walk(schema, issue.path)
  const keyword = keywordOf(issue, walked)
  return {
    schemaPath: `${walked.at}${keyword === '' ? '' : `/${keyword}`}`,
    at: issue.path.map((part) => `/${escaped(String(part))}`).join(''),
    message: issue.message,
  }
}

interface Walked {
  readonly schema: JsonSchema
  readonly at: string
  /** The last step led to a property that its object demands. */
  readonly required: string | undefined
}

/** As far as the path of a value can be followed: where several schemas hold, up to those. */
function walk(root: JsonSchema, path: readonly PropertyKey[]): Walked {
  let found: Walked = { schema: root, at: '', required: undefined }
  for (const part of path) {
    const { schema, at } = found
    const [where, inner] = step(schema, part)
    if (inner === undefined) break
    const isRequired = ((schema.required ?? []) as string[]).includes(String(part))
    found = { schema: inner, at: `${at}${where}`, required: isRequired ? `${at}/required` : undefined }
  }
  return found
}

function step(schema: JsonSchema, part: PropertyKey): [string, JsonSchema | undefined] {
  const property = (schema.properties as JsonSchema | undefined)?.[String(part)]
  if (property !== undefined) return [`/properties/${escaped(String(part))}`, property as JsonSchema]
  for (const name of typeof part === 'number' ? ['items'] : ['additionalProperties']) {
    const inner = schema[name]
    if (inner !== null && typeof inner === 'object' && !Array.isArray(inner)) return [`/${name}`, inner as JsonSchema]
  }
  return ['', undefined]
}

function keywordOf(issue: z.core.$ZodIssue, { schema }: Walked): string {
  if (issue.code === 'invalid_type') return 'type'
  if (issue.code === 'unrecognized_keys') return 'additionalProperties'
  if (issue.code === 'invalid_value') return schema.enum === undefined ? 'const' : 'enum'
  if (issue.code === 'not_multiple_of') return 'multipleOf'
  if (issue.code === 'invalid_union') return ['anyOf', 'oneOf', 'enum', 'type'].find((name) => name in schema) ?? ''
  if (issue.code === 'invalid_format') return issue.format === 'regex' ? 'pattern' : 'format'
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return ''
  const isSmall = issue.code === 'too_small'
  const bounds = BOUNDS[issue.origin]
  if (bounds !== undefined) return bounds[isSmall ? 0 : 1]
  const [inclusive, exclusive] = isSmall ? ['minimum', 'exclusiveMinimum'] : ['maximum', 'exclusiveMaximum']
  return inclusive in schema ? inclusive : exclusive in schema ? exclusive : 'type'
}

/** RFC 6901 section 3. */
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
