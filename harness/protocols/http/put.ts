import type { Presented, TextPart } from '../../credentials/parts.ts'
import { textParts } from '../../credentials/parts.ts'
import type { HeaderLines } from './exchange.ts'

/** Where a text of a credential is put in a request. `form`: it stands there alone, whatever the request says otherwise. */
type Place =
  | { readonly header: string }
  | { readonly cookie: string }
  /** RFC 6750 sections 2.3 and 2.2. */
  | { readonly query: string }
  | { readonly form: string }
  /** A member of the JSON that the request says. */
  | { readonly json: string }

/** Where a call puts parts of its credential otherwise than the action says. */
export type Puts = Readonly<Partial<Record<TextPart, Place>>>

interface Body {
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What is still to be carried as the action says. */
export function left(presented: Presented, put: Puts): Presented {
  return Object.fromEntries(Object.entries(presented).filter(([part]) => !Object.hasOwn(put, part)))
}

/** The header lines in which parts are put. */
export function linesPut(presented: Presented, put: Puts): HeaderLines {
  return placesOf(presented, put).flatMap(([text, place]): HeaderLines => {
    if ('header' in place) return [[place.header, text]]
    return 'cookie' in place ? [['Cookie', `${place.cookie}=${text}`]] : []
  })
}

export function pathWith(path: string, presented: Presented, put: Puts): string {
  const named = placesOf(presented, put).flatMap(([text, place]): [string, string][] =>
    'query' in place ? [[place.query, text]] : [],
  )
  if (named.length === 0) return path
  return `${path}${path.includes('?') ? '&' : '?'}${new URLSearchParams(named)}`
}

export function bodyWith(said: Body, presented: Presented, put: Puts): Body {
  let body = said
  for (const [text, place] of placesOf(presented, put)) {
    if ('form' in place) body = { form: { [place.form]: text } }
    if ('json' in place) body = { json: { ...(body.json as object | undefined), [place.json]: text } }
  }
  return body
}

function placesOf(presented: Presented, put: Puts): [text: string, place: Place][] {
  return textParts.flatMap((part): [string, Place][] => {
    const [text, place] = [presented[part], put[part]]
    return text === undefined || place === undefined ? [] : [[text, place]]
  })
}
