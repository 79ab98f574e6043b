/** A value that differs as little as possible from one that a verifier compares. */
export interface NearMiss {
  /** The wrong comparison that takes one for the other. */
  readonly passes: string
  of(own: string): unknown
}

/** Another letter or digit. Those that stand here may also end the base64url of a SHA-256, whose last character carries four bits. */
const others: readonly (readonly [RegExp, string, string])[] = [
  [/[a-z]/, 'w', 'c'],
  [/[A-Z]/, 'A', 'E'],
  [/[0-9]/, '0', '4'],
]

function otherThan(character: string): string {
  const [, one, another] = others.find(([of]) => of.test(character)) ?? [undefined, 'x', 'y']
  return character === one ? another! : one!
}

function otherAt(own: string, at: number): string {
  const index = at < 0 ? own.length + at : at
  return own.slice(0, index) + otherThan(own[index] ?? '') + own.slice(index + 1)
}

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** For the last character, the one that differs in its lowest bit. */
function beside(own: string): string {
  return base64url.charAt(base64url.indexOf(own.at(-1) ?? 'A') ^ 1)
}

/** The letter or digit in the middle: a sign there would make another kind of text of it. */
function middleOf(own: string): number {
  const half = own.length >> 1
  return half + Math.max(0, own.slice(half).search(/[a-z0-9]/i))
}

function atLastLetter(own: string, change: (letter: string) => string): string {
  return own.replace(/[a-z](?=[^a-z]*$)/i, change)
}

/** The form of ASCII that stands in the same columns as ideographs: NFKC and IDNA make ASCII of it. */
function fullWidth(letter: string): string {
  return String.fromCodePoint(letter.codePointAt(0)! + 0xfee0)
}

/** All of them, by a name that goes on after that of the value: `aud in another case`. */
export const nearMisses = {
  'with another first character': { passes: 'the last characters', of: (own) => otherAt(own, 0) },
  'with another character in the middle': { passes: 'both ends', of: (own) => otherAt(own, middleOf(own)) },
  'with another last character': { passes: 'the first characters', of: (own) => otherAt(own, -1) },
  'without its first character': { passes: 'whether ours ends with theirs', of: (own) => own.slice(1) },
  'without its last character': { passes: 'whether ours begins with theirs', of: (own) => own.slice(0, -1) },
  'with more before it': { passes: 'whether theirs ends with ours', of: (own) => `x-${own}` },
  'with more behind it': { passes: 'whether theirs begins with ours', of: (own) => `${own}-x` },
  'in another case': {
    passes: 'without case',
    of: (own) => own.replaceAll(/[a-z]/gi, (one) => (one < 'a' ? one.toLowerCase() : one.toUpperCase())),
  },
  'with a blank behind it': { passes: 'without blanks around it', of: (own) => `${own} ` },
  'with a NUL and more behind it': { passes: 'up to a NUL', of: (own) => `${own}\0x` },
  'with a look-alike letter': { passes: 'what Unicode takes for alike', of: (own) => atLastLetter(own, fullWidth) },
  'with another character for a dot': { passes: 'theirs with ours as a pattern', of: (own) => own.replace('.', 'x') },
  'with a dot behind it': { passes: 'without a final dot', of: (own) => `${own}.` },
  'with a slash behind it': { passes: 'without a final slash', of: (own) => `${own}/` },
  'with a path behind it': { passes: 'origins', of: (own) => `${own}/x` },
  'with another scheme': { passes: 'hosts', of: (own) => own.replace(/^\w+:/, 'http:') },
  'without its scheme': { passes: 'what stands after the scheme', of: (own) => own.replace(/^\w+:\/\//, '') },
  'with its port written otherwise': {
    passes: 'URLs in their normal form',
    of: (own) => own.replace(/^\w+:\/\/[^/:]+(:?)/, (host, port) => `${host}${port ? '0' : ':443'}`),
  },
  'with a letter percent-encoded': {
    passes: 'what is decoded',
    of: (own) => atLastLetter(own, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  },
  // Two of the six bits of the last character of 32 bytes, and more of others, are nobody's (RFC 4648 section 3.5).
  'with other bits that nobody reads': {
    passes: 'the bytes that it encodes',
    of: (own) => own.slice(0, -1) + beside(own),
  },
  'beside another, with a comma between': { passes: 'parts between commas', of: (own) => `x,${own}` },
  'in a list': { passes: 'values of any kind, as texts', of: (own) => [own] },
  'in a list, with more behind it': { passes: 'whether any of theirs begins with ours', of: (own) => [`${own}-x`] },
} as const satisfies Readonly<Record<string, NearMiss>>

export type NearMissName = keyof typeof nearMisses

/** A near miss of that value. One that has nothing to be changed in that way gets more behind it: it must be another one. */
export function nearMiss(name: NearMissName, own: string): unknown {
  const made = nearMisses[name].of(own)
  return made === own ? `${own}-x` : made
}

/** What is compared character by character, whatever it means. */
const inHeader = [
  ...['with another character in the middle', 'with another last character', 'without its last character'],
  ...['with more before it', 'in another case'],
] as const satisfies readonly NearMissName[]
const ofText = [
  ...inHeader,
  ...['with a blank behind it', 'with a NUL and more behind it'],
] as const satisfies readonly NearMissName[]

const ofOpaque = [
  ...['with more behind it', 'with another first character', 'without its first character'],
] as const satisfies readonly NearMissName[]

/** Those that a plausible comparison lets in, for each kind of text. */
export const nearMissesOf = {
  /** An identifier that is a URI: no transformation counts (RFC 7519 section 2). */
  uri: [
    ...ofText,
    ...['with a look-alike letter', 'with another character for a dot', 'with a slash behind it'],
    ...['with a path behind it', 'with another scheme', 'without its scheme', 'with its port written otherwise'],
    'with a letter percent-encoded',
  ],
  /** One word of several: a scope, the name of a node or of a client. */
  word: [...ofText, 'with more behind it', 'with a look-alike letter', 'beside another, with a comma between'],
  /** What nobody reads: a digest, the id of a key. */
  digest: [...ofText, ...ofOpaque],
  /** Another way of writing the same bytes in base64url. */
  bytes: ['with other bits that nobody reads'],
  /** The same where it stands in a header, which holds neither a NUL nor blanks at its end. */
  secret: [...inHeader, ...ofOpaque],
  /** Without case, as DNS names are (RFC 4343). */
  host: [
    ...ofText.filter((name) => name !== 'in another case'),
    ...['with more behind it', 'with a dot behind it', 'with a look-alike letter', 'with another character for a dot'],
  ],
} as const satisfies Readonly<Record<string, readonly NearMissName[]>>
