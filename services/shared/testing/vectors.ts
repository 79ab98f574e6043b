import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JWK } from 'jose'

// Published vectors, as their authors keep them: fixtures/vectors/README.md names sources and licences.

export interface Vector {
  tcId: number
  comment: string
  result: 'valid' | 'invalid'
}

/** A compact token where it is text; the other serialization of RFC 7515 where it is an object. */
export interface JwsVector extends Vector {
  jws: string | object
}

/** `msg` and `sig` in hexadecimal. */
export interface SignatureVector extends Vector {
  msg: string
  sig: string
}

export interface JwsGroup {
  comment: string
  /** Absent where the key is a shared secret: then `private` is all there is. */
  public?: JWK | { keys: JWK[] }
  private?: JWK | { keys: JWK[] }
  tests: JwsVector[]
}

export interface SignatureGroup {
  publicKeyJwk?: JWK
  publicKeyPem: string
  tests: SignatureVector[]
}

/** Groups of `fixtures/vectors/wycheproof/<name>_test.json`. */
export function wycheproof<Group>(name: string): Group[] {
  const folder = join(import.meta.dirname, '..', '..', '..', 'fixtures', 'vectors', 'wycheproof')
  const { testGroups } = JSON.parse(readFileSync(join(folder, `${name}_test.json`), 'utf8')) as { testGroups: Group[] }
  return testGroups
}

/** How often each outcome came, in the order of its name: to be compared with literals, so that no vector is lost unseen. */
export function tally(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of [...outcomes].sort()) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}
