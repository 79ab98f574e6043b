import { placeOf } from '../../topology/holders.ts'
import type { HeldFiles } from '../credential-kind.ts'
import { type Finding, findingsAt, type Problem } from '../finding.ts'
import type { PlanBearerSecret } from './planned.ts'
import { textOf } from './secrets.ts'

const wayOut = 'see what wrote it after its hand-over'

/** What is wrong with the secrets that lie at their holders: above all, that one has another than the rest. */
export function secretFindings(held: readonly PlanBearerSecret[], { read }: HeldFiles): Promise<Finding[]> {
  return findingsAt(held, async (secret, holder, path) => {
    const { issuer } = secret
    const text = textOf(await read(holder, path))
    const made = await read(issuer, placeOf(secret, issuer)).catch(() => undefined)
    const problems: Problem[] = []
    if (!/^[\w.~+/-]{32,}=*$/.test(text))
      problems.push(['well-formed', 'holds no secret that a header can carry', wayOut])
    if (made !== undefined && text !== textOf(made)) problems.push(['same', `is another one than at ${issuer}`, wayOut])
    return problems
  })
}
