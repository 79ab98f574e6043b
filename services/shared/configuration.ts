import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { z } from 'zod'
import type { Log } from './log.ts'
import { StartFailure } from './start-failure.ts'

/**
 * Configuration of a service: flag > environment variable > config file > default, checked against one strict schema.
 * This is the only file of the services that reads the environment.
 */
export interface Program<Configuration> {
  /** As it is typed: `auth-server`. */
  readonly name: string
  /** `AUTH_SERVER`: the variable of key `listen.public` is `AUTH_SERVER_LISTEN_PUBLIC`. */
  readonly environmentPrefix: string
  readonly schema: z.ZodType<Configuration>
  /**
   * Keys (`peers`, `storage.path`) whose values are never printed, at any depth below them too. They have no flag: others see those. A file
   * that holds one must be for its user alone.
   */
  readonly secrets?: readonly string[]
  /** Keys whose variable has a name of its own, which others know it by. */
  readonly variables?: Readonly<Record<string, string>>
  /** Whether a variable of spaces alone counts as one that is not set. */
  readonly isBlankAbsent?: boolean
}

export interface ConfigurationSources {
  /** Path of a JSON file. */
  file?: string
  /** Key (`listen.public`) to text. */
  flags?: Readonly<Record<string, string>>
  environment?: Readonly<Record<string, string | undefined>>
}

/** A key that can be set by flag and by environment variable: a leaf of the schema. */
export interface ConfigurationKey {
  key: string
  flag: string
  variable: string
  description: string
  /** Whether the text is taken as it is, rather than read as JSON. */
  isText: boolean
}

/** Variables with such a name look as if they turned a check off. Nothing here can be turned off, and the start says so. */
const SWITCH_LIKE = /SKIP_AUTH|NO_AUTH|INSECURE|REJECT_UNAUTHORIZED/i

/** Worked out once for each program: a start asks for them several times. */
export function configurationKeys(program: Program<unknown>): readonly ConfigurationKey[] {
  const keys = keysOf.get(program) ?? readKeys(program)
  keysOf.set(program, keys)
  return keys
}

const keysOf = new WeakMap<Program<unknown>, readonly ConfigurationKey[]>()

function readKeys(program: Program<unknown>): ConfigurationKey[] {
  return leavesOf(program.schema, []).map(({ path, description, isText }) => ({
    key: path.join('.'),
    flag: `--${path.map(kebab).join('-')}`,
    variable:
      program.variables?.[path.join('.')] ??
      `${program.environmentPrefix}_${path.map((part) => kebab(part).replaceAll('-', '_').toUpperCase()).join('_')}`,
    description,
    isText,
  }))
}

/** Adds `--config FILE` and one flag for each key; read them back with `flagsOf`. */
export function addConfigurationOptions(command: Command, program: Program<unknown>): Command {
  command.option('--config <file>', 'JSON file with the configuration')
  for (const { flag, variable, description } of flaggedKeys(program)) {
    command.option(`${flag} <value>`, `${description}${description === '' ? '' : ' '}(${variable})`)
  }
  return command
}

/** What stands on a command line can be read by every user of the machine. */
function flaggedKeys(program: Program<unknown>): ConfigurationKey[] {
  return configurationKeys(program).filter(({ key }) => !program.secrets?.includes(key))
}

/** The flags that were given, by key. */
export function flagsOf(command: Command, program: Program<unknown>): Record<string, string> {
  const given = command.opts<Record<string, string>>()
  const flags: Record<string, string> = {}
  for (const { key, flag } of flaggedKeys(program)) {
    const value = given[flag.slice(2).replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())]
    if (value !== undefined) flags[key] = value
  }
  return flags
}

/** Reads, merges and checks. Every mistake ends in one `StartFailure` that names all wrong keys and where they came from. */
export function loadConfiguration<Configuration>(
  program: Program<Configuration>,
  sources: ConfigurationSources,
): Configuration {
  const environment = sources.environment ?? process.env
  const merged = sources.file === undefined ? {} : readConfigurationFile(sources.file, program.secrets)
  const keys = configurationKeys(program)
  refuseUnknownVariables(program, keys, environment)
  for (const key of keys) {
    const text = environment[key.variable]
    const isBlank = program.isBlankAbsent && text?.trim() === ''
    if (text !== undefined && !isBlank) setKey(merged, key, text, key.variable)
  }
  for (const key of keys) {
    const text = sources.flags?.[key.key]
    if (text !== undefined) setKey(merged, key, text, key.flag)
  }
  const result = program.schema.safeParse(merged)
  if (result.success) return result.data
  const place = sources.file ?? 'the given flags and variables'
  const mistakes = result.error.issues.map(
    (issue) => `${issue.path.map(String).join('.') || 'the top level'}: ${issue.message}`,
  )
  throw new StartFailure('config_invalid', `${place}: ${mistakes.join('; ')}; see ${program.name} --help for every key`)
}

/** The configuration as it may be printed: values of secret keys are replaced. */
export function redactedConfiguration(program: Program<unknown>, configuration: unknown): unknown {
  const hidden = new Set(program.secrets ?? [])
  const walk = (value: unknown, path: string): unknown => {
    if (hidden.has(path)) return value === undefined ? undefined : '(hidden)'
    if (Array.isArray(value)) return value.map((item) => walk(item, path))
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, walk(inner, path === '' ? name : `${path}.${name}`)]),
    )
  }
  return walk(configuration, '')
}

/** The environment for a program that this one starts, without the variables of such names. */
export function environmentWithout(
  names: RegExp,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !names.test(name)))
}

/** Says by name which variables were ignored although they look like a switch. */
export function warnIgnoredSwitches(
  log: Log,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): void {
  for (const name of Object.keys(environment)
    .filter((variable) => SWITCH_LIKE.test(variable))
    .sort()) {
    log.warn('variable-ignored', { variable: name, message: 'nothing turns a check off; this variable has no effect' })
  }
}

interface Leaf {
  path: string[]
  description: string
  isText: boolean
}

/** Reads the schema itself: to make JSON Schema of it first takes 8 ms of each start, and a megabyte. */
function leavesOf(schema: z.ZodType, path: string[], outer = ''): Leaf[] {
  const description = outer || (schema.description ?? '')
  const { type, innerType, in: input } = schema.def as Wrapper
  const inner = innerType ?? input
  if (inner !== undefined) return leavesOf(inner, path, description)
  if (!(schema instanceof z.ZodObject)) return [{ path, description, isText: type === 'string' || type === 'enum' }]
  const members = Object.entries(schema.shape as Record<string, z.ZodType>)
  return members.flatMap(([name, member]) => leavesOf(member, [...path, name]))
}

/** `optional`, `default` and the like stand around a schema, a transformation behind one. */
interface Wrapper {
  type: string
  innerType?: z.ZodType
  in?: z.ZodType
}

function kebab(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()
}

function readConfigurationFile(file: string, secrets: readonly string[] = []): Record<string, unknown> {
  let text: string
  let isOpen: boolean
  try {
    const handle = openSync(file, 'r')
    try {
      isOpen = (fstatSync(handle).mode & 0o077) !== 0
      text = readFileSync(handle, 'utf8')
    } finally {
      closeSync(handle)
    }
  } catch (cause) {
    throw new StartFailure(
      'config_invalid',
      `${file} cannot be read (${(cause as NodeJS.ErrnoException).code}); name a readable JSON file with --config`,
      { cause },
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    // The parser's own message quotes the text, which may hold a token.
    throw new StartFailure('config_invalid', `${file} is not JSON; correct it and try --check-config`, { cause })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new StartFailure('config_invalid', `${file} must hold one JSON object`)
  }
  const shown = isOpen ? secrets.filter((key) => holds(value, key.split('.'))) : []
  if (shown.length > 0) {
    throw new StartFailure(
      'config_invalid',
      `${file} holds ${shown.join(', ')} and can be read by others; make it 0600, or put what is secret into a file of its own`,
    )
  }
  return value as Record<string, unknown>
}

/** Whether there is something at a key; of a list, in one of its members. */
function holds(value: unknown, [name, ...rest]: readonly string[]): boolean {
  if (name === undefined) return value !== undefined
  if (Array.isArray(value)) return value.some((member) => holds(member, [name, ...rest]))
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return false
  return holds((value as Record<string, unknown>)[name], rest)
}

function refuseUnknownVariables(
  program: Program<unknown>,
  keys: readonly ConfigurationKey[],
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const known = new Set(keys.map((key) => key.variable))
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith(`${program.environmentPrefix}_`) && !known.has(name) && !SWITCH_LIKE.test(name),
  )
  if (unknown.length > 0) {
    throw new StartFailure(
      'config_invalid',
      `environment: unknown variable ${unknown.sort().join(', ')}; unset it, or see ${program.name} --help`,
    )
  }
}

function setKey(target: Record<string, unknown>, key: ConfigurationKey, text: string, place: string): void {
  const path = key.key.split('.')
  const last = path.pop() as string
  let holder = target
  for (const part of path) {
    const inner = holder[part]
    if (inner === undefined) holder[part] = {}
    else if (inner === null || typeof inner !== 'object') return
    holder = holder[part] as Record<string, unknown>
  }
  holder[last] = key.isText ? text : parseValue(text, place)
}

function parseValue(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StartFailure(
      'config_invalid',
      `${place}: the value is not JSON; write numbers and true or false bare, lists as ["a","b"]`,
      { cause },
    )
  }
}
