import { placeOf } from '../../topology/holders.ts'
import type { HeldFiles } from '../credential-kind.ts'
import { type Finding, readable } from '../finding.ts'
import type { PlanBearerSecret } from './planned.ts'
import { textOf } from './secrets.ts'

/** What is wrong with the secrets that lie at their holders: above all, that one has another than the rest. */
export async function secretFindings(held: readonly PlanBearerSecret[], files: HeldFiles): Promise<Finding[]> {
  return (await Promise.all(held.map((secret) => ofSecret(secret, files)))).flat()
}

async function ofSecret(secret: PlanBearerSecret, { read }: HeldFiles): Promise<Finding[]> {
  const { name: thing, issuer } = secret
  const textAt = async (holder: string) => textOf(await read(holder, placeOf(secret, holder)))
  const made = await textAt(issuer).catch(() => undefined)
  const at = (holder: string) =>
    readable(
      secret,
      async (place) => {
        const text = await textAt(holder)
        const found = (check: string, message: string) => {
          return { check, thing, place, message, wayOut: 'see what wrote it after its hand-over' }
        }
        return [
          ...(/^[\w.~+/-]{32,}=*$/.test(text) ? [] : [found('well-formed', 'holds no secret that a header can carry')]),
          ...(made === undefined || text === made ? [] : [found('same', `is another one than at ${issuer}`)]),
        ]
      },
      holder,
    )
  return (await Promise.all(secret.holders.map(at))).flat()
}
