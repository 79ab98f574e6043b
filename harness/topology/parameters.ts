import { HoldfastError } from '../errors.ts'
import { durationPattern } from './duration.ts'

/** What `--set` may change. A topology is a function of these. */
export type ParameterDeclaration = { summary: string } & (WholeNumber | Choice | Switch | DurationText)

/** `fills`: it only fills fields, and nothing is more or less for it. */
type WholeNumber = { default: number; min: number; max: number; fills?: true }
/** `shape`: each value has a form of its own, and does more than fill fields. */
type Choice = { default: string; oneOf: readonly string[]; shape?: true }
type Switch = { default: boolean; shape?: true }
/** Where it is `null`, what is filled in with it is left out. */
type DurationText = { default: string | null; duration: true }

export type ParameterDeclarations = Readonly<Record<string, ParameterDeclaration>>
type ParameterValue = string | number | boolean | null
export type ParameterValues = Record<string, ParameterValue>

/** Some `--set` names no parameter of the topology, or a value that it cannot take. */
export class ParameterInvalid extends HoldfastError {
  constructor(topology: string, mistakes: readonly string[]) {
    super('HOLDFAST_PARAMETER_INVALID', `topology ${topology}: ${mistakes.join('; ')}`)
  }
}

/**
 * Every parameter with its value: given ones as they are (texts of the command line are read), the others by default.
 *
 * @throws ParameterInvalid with all mistakes.
 */
export function readParameters(
  topology: string,
  declarations: ParameterDeclarations,
  given: Readonly<Record<string, string | number | boolean>>,
): ParameterValues {
  const values: ParameterValues = {}
  for (const [name, declaration] of Object.entries(declarations)) values[name] = declaration.default
  const known = Object.keys(declarations).join(', ') || 'none'
  const mistakes: string[] = []
  for (const [name, value] of Object.entries(given)) {
    const declaration = Object.hasOwn(declarations, name) ? declarations[name] : undefined
    const read = declaration && readValue(declaration, value)
    if (declaration === undefined) mistakes.push(`there is no parameter "${name}"; there are: ${known}`)
    else if (read === undefined)
      mistakes.push(`parameter ${name} must be ${expectation(declaration)}, not ${JSON.stringify(value)}`)
    else values[name] = read
  }
  if (mistakes.length > 0) throw new ParameterInvalid(topology, mistakes)
  return values
}

/** What a parameter can be, in words: `a whole number from 2 to 50`. */
function expectation(declaration: ParameterDeclaration): string {
  if ('min' in declaration) return `a whole number from ${declaration.min} to ${declaration.max}`
  if ('oneOf' in declaration) return `one of ${declaration.oneOf.join(', ')}`
  return 'duration' in declaration ? 'a duration such as 10m' : 'true or false'
}

function readValue(declaration: ParameterDeclaration, value: string | number | boolean): ParameterValue | undefined {
  const text = String(value)
  if ('min' in declaration) {
    const number = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
    return number >= declaration.min && number <= declaration.max ? number : undefined
  }
  if ('oneOf' in declaration) return declaration.oneOf.includes(text) ? text : undefined
  if ('duration' in declaration) return durationPattern.test(text) ? text : undefined
  return text === 'true' || text === 'false' ? text === 'true' : undefined
}
