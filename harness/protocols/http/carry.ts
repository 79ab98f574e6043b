import { z } from 'zod'
import type { PartName, Presented } from '../../credentials/parts.ts'
import type { HeaderLines } from './exchange.ts'

/** How the parts of a credential that TLS does not carry travel in a request. Default: the token in `Authorization: Bearer`. */
export const carry = z.strictObject({
  token: z.union([z.literal('bearer'), z.strictObject({ header: z.string().regex(/^[\w-]+$/) })]),
})

export type Carry = z.output<typeof carry>

/** The header line of a token; the text may be one that a shell fills in. */
export function tokenLine(token: string, how?: Carry): readonly [string, string] {
  const place = how?.token ?? 'bearer'
  return place === 'bearer' ? ['Authorization', `Bearer ${token}`] : [place.header, token]
}

/** What is presented, as the action says. `instead`: lines that take the place of all of it. */
export function carried(
  { token }: Presented,
  how?: Carry,
  instead?: HeaderLines,
): { headers: HeaderLines; parts: PartName[] } {
  if (instead !== undefined) return { headers: instead, parts: [] }
  return token === undefined ? { headers: [], parts: [] } : { headers: [tokenLine(token, how)], parts: ['token'] }
}
