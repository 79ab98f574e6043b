import { InvalidArgumentError } from 'commander'

/**
 * One `--param NAME=VALUE` more. A value that is JSON is what it says (`20`, `true`, `"20"`), any other is text.
 * Throws InvalidArgumentError, which commander tells with the name of the option.
 */
export function addParameter(text: string, before: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('must be NAME=VALUE, such as games=20')
  const name = text.slice(0, at)
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is given twice; leave one of them out`)
  return Object.fromEntries([...Object.entries(before), [name, readValue(text.slice(at + 1))]])
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
