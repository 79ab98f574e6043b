import { z } from 'zod'
import { type Places, type TextPart, textParts } from '../../credentials/parts.ts'
import type { HeaderLines } from './exchange.ts'

/** How the parts of a credential that TLS does not carry travel in a request. Default: `Authorization: Bearer`. */
export const carry = z.partialRecord(
  z.enum(textParts),
  z.union([z.literal('bearer'), z.strictObject({ header: z.string().regex(/^[\w-]+$/) })]),
)

export type Carry = z.output<typeof carry>

/** The header lines of what is a text; each may be one that a shell fills in. */
export function linesOf(texts: Pick<Places, TextPart>, how?: Carry): HeaderLines {
  return textParts.flatMap((part) => {
    const [text, place = 'bearer'] = [texts[part], how?.[part]]
    if (text === undefined) return []
    return [place === 'bearer' ? ['Authorization', `Bearer ${text}`] : [place.header, text]]
  })
}
