import { InvalidArgumentError } from 'commander'
import { momentOf } from '../federation-gateway/wire/instant.ts'

// What people type behind an option. Each throws InvalidArgumentError, which commander tells with the name of the option.

export function moment(text: string): string {
  const at = momentOf(text)
  if (at === undefined) throw new InvalidArgumentError('must be a day such as 2026-01-31, or a moment (RFC 3339)')
  return at
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (!/^\d{1,6}$/.test(text) || number < least || number > most) {
      throw new InvalidArgumentError(`must be a whole number from ${least} to ${most}`)
    }
    return number
  }
}
