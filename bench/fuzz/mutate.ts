import type { Choices } from '../random.ts'

/** Breaks bytes in one to four places, without knowing what they mean. */
export function mutateBytes(choices: Choices, bytes: Buffer): Buffer {
  let mutated = bytes
  for (let left = 1 + choices.below(4); left > 0; left -= 1) mutated = choices.pick(OPERATIONS)(choices, mutated)
  return mutated
}

type Operation = (choices: Choices, bytes: Buffer) => Buffer

const OPERATIONS: readonly Operation[] = [flipBit, setByte, remove, repeat, insert, truncate, swap]

function flipBit(choices: Choices, bytes: Buffer): Buffer {
  const mutated = Buffer.from(bytes)
  const at = choices.below(bytes.length)
  if (at < mutated.length) mutated[at]! ^= 1 << choices.below(8)
  return mutated
}

function setByte(choices: Choices, bytes: Buffer): Buffer {
  const mutated = Buffer.from(bytes)
  const at = choices.below(bytes.length)
  if (at < mutated.length) mutated[at] = choices.pick([0, 1, 9, 10, 13, 32, 34, 46, 58, 61, 127, 128, 254, 255])
  return mutated
}

function remove(choices: Choices, bytes: Buffer): Buffer {
  const [from, to] = range(choices, bytes)
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
}

function repeat(choices: Choices, bytes: Buffer): Buffer {
  const [from, to] = range(choices, bytes)
  return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)])
}

function insert(choices: Choices, bytes: Buffer): Buffer {
  const at = choices.below(bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, at), choices.bytes(1 + choices.below(16)), bytes.subarray(at)])
}

function truncate(choices: Choices, bytes: Buffer): Buffer {
  return bytes.subarray(0, choices.below(bytes.length + 1))
}

function swap(choices: Choices, bytes: Buffer): Buffer {
  const [from, to] = range(choices, bytes)
  const at = choices.below(from + 1)
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, to), bytes.subarray(at, from), bytes.subarray(to)])
}

function range(choices: Choices, bytes: Buffer): [number, number] {
  const from = choices.below(bytes.length + 1)
  return [from, Math.min(bytes.length, from + 1 + choices.below(32))]
}

/** The same for text of one byte a character, as stands in header lines and tokens. */
export function mutateText(choices: Choices, text: string): string {
  return mutateBytes(choices, Buffer.from(text, 'latin1')).toString('latin1')
}

/** Values that programs are known to stumble over. */
const ODD: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53 + 1,
  -(2 ** 63),
  '',
  ' ',
  'null',
  '0',
  '*',
  '../../../../etc/passwd',
  "' OR 1=1--",
  '%00%0a',
  'a\u0000b',
  'line\r\nbreak: yes',
  '\ud800',
  '\u202eabc',
  '__proto__',
  'constructor',
  '{}',
  'x'.repeat(300),
  'x'.repeat(5_000),
  [],
  [[]],
  [null],
  {},
  // In brackets: else it would be no member.
  { ['__proto__']: null, toString: 1 },
  Array.from({ length: 600 }, () => 'y'),
]

/**
 * Breaks a JSON value somewhere inside and answers it as text, which now and then is no JSON any more: a member removed, renamed,
 * given twice or replaced, a nesting that is too deep.
 */
export function mutateJson(choices: Choices, value: unknown): string {
  const whole = { value: structuredClone(value) }
  for (let left = 1 + choices.below(3); left > 0; left -= 1) mutateMember(choices, whole)
  let text = JSON.stringify(whole.value) ?? ''
  if (choices.chance(0.05)) text = `${'['.repeat(40)}${text}${']'.repeat(40)}`
  if (choices.chance(0.05)) text = text.replace('{', `{${text.slice(1, Math.max(1, text.indexOf(',')))},`)
  return choices.chance(0.2) ? mutateText(choices, text) : text
}

type Holder = Record<string, unknown>

function mutateMember(choices: Choices, whole: Holder): void {
  let holder = whole
  let name = 'value'
  // Deeper with each step, so that whole values are replaced as well as single members.
  while (isHolder(holder[name]) && choices.chance(0.85)) {
    const inner = holder[name] as Holder
    const names = Object.keys(inner)
    if (names.length === 0) break
    holder = inner
    name = choices.pick(names)
  }
  const kind = choices.below(10)
  if (kind === 0) delete holder[name]
  else if (kind === 1) holder[`${name}${choices.pick(['', ' ', 's', '\u0000', '.x'])}`] = odd(choices)
  else if (kind === 2)
    holder[choices.pick(['__proto__', 'constructor', 'cnf', 'iss', 'claims', 'x'])] = structuredClone(holder[name])
  else if (kind < 6 && typeof holder[name] === 'string') holder[name] = mutateText(choices, String(holder[name]))
  else holder[name] = odd(choices)
}

/** A copy, for what is broken next may be this very value. */
function odd(choices: Choices): unknown {
  return structuredClone(choices.pick(ODD))
}

function isHolder(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
