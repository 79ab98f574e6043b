import { isUtf8 } from 'node:buffer'
import { bearerSecrets } from './bearer-secret/secrets.ts'
import { tokenSecrets } from './bound-token/secrets.ts'
import { certificateSecrets } from './certificate/secrets.ts'
import { invitationSecrets } from './enrolment-token/secrets.ts'
import { KnownSecrets, removalsIn } from './known-secrets.ts'
import { natsSecrets } from './nats-creds/secrets.ts'

/** What secrets of one credential kind look like. Loaded by the node agent too, so it imports nothing that takes time to load. */
export interface SecretShape {
  /** The text without what looks like a secret of the kind; a text without one stays as it is. */
  without(text: string): string
  /** Of such secrets in a text the parts that nobody can guess. */
  guessedBy(text: string): (string | Uint8Array)[]
  /** What looks unguessable, and is no secret. */
  readonly published?: RegExp
  /** How a report names a secret of this shape, where it stands nowhere rightly: no text may hold one, known or not. */
  readonly standsNowhere?: string
}

// A line per credential kind. They are listed here, not in shipped.ts, since whatever writes a text must know them, down to the agent.
const shapes: readonly SecretShape[] = [certificateSecrets, tokenSecrets, bearerSecrets, natsSecrets, invitationSecrets]

/** Text without secrets: those of any kind's shape, then the values that are known. */
export function redact(text: string, known?: KnownSecrets): string {
  const left = shapes.reduce((rest, { without }) => without(rest), text)
  return known?.removedFrom(left) ?? left
}

/** A JSON value without secrets. */
export function redactJson<T>(value: T, known?: KnownSecrets): T {
  const text = JSON.stringify(value) ?? 'null'
  try {
    return JSON.parse(redact(text, known)) as T
  } catch {
    // A value was found that begins in the middle of an escape, and took half of it away.
    const inside = (_: string, one: unknown) => (typeof one === 'string' ? redact(one, known) : one)
    return JSON.parse(JSON.stringify(value, inside)) as T
  }
}

/** Its text. Most values hold no secret, and theirs is not read again. */
export function redactedJson(value: object, known?: KnownSecrets): string {
  const text = JSON.stringify(value)
  return redact(text, known) === text ? text : JSON.stringify(redactJson(value, known))
}

/** The parts of a text that nobody can guess, as far as the kinds know its shape. */
export function guessedBy(text: string): (string | Uint8Array)[] {
  return shapes.flatMap((shape) => shape.guessedBy(text))
}

/**
 * What a secret file holds: what the kinds know of it, and each line without blanks that is left, of a URL what stands behind its
 * host. Texts of JSON are for the kinds alone: most of their members are public.
 */
export function secretsOf(content: string | Uint8Array): (string | Uint8Array)[] {
  const bytes = Buffer.from(content as Uint8Array)
  if (!isUtf8(bytes)) return [bytes]
  const text = bytes.toString()
  const rest = redact(shapes.reduce((left, { published = /(?!)/g }) => left.replaceAll(published, ''), text))
  const lines = isJson(rest) ? [] : rest.split('\n').map((line) => line.trim())
  return [...guessedBy(text), ...lines.filter((line) => !/\s/.test(line)).flatMap(withoutHost)]
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

function withoutHost(line: string): string[] {
  const [, user = '', rest] = /^[a-z][a-z0-9+.-]*:\/\/(?:([^/@]*)@)?[^/?#]*(.*)$/i.exec(line) ?? []
  return rest === undefined ? [line] : `${user}/${rest}`.split(/[:/?#&=]/)
}

/** Names what stands in a text of known secrets, and of any that may stand nowhere. */
export function secretsIn(text: string, known: KnownSecrets): string[] {
  const shaped = shapes.flatMap(({ standsNowhere, without }) =>
    standsNowhere !== undefined && without(text) !== text ? [standsNowhere] : [],
  )
  return [...shaped, ...known.foundIn(text)]
}

/** What somebody wrote of what was presented to them, named for a report: also where a secret was removed from it since. */
export function leaksIn(text: string, presented: readonly string[]): string[] {
  const known = new KnownSecrets()
  for (const one of presented) known.add(guessedBy(one))
  return [...new Set([...secretsIn(text, known), ...removalsIn(text)])]
}
