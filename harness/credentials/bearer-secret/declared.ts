// #region kind
import type { Compilation } from '../../topology/compilation.ts'
import type { Declared, WhyNot } from '../../topology/credential-kind.ts'
import { handedTo, oneshot } from '../../topology/implicit-units.ts'
import type { PlanAccept, PlanUnit } from '../../topology/plan.ts'
import { holdersOf } from '../../topology/schema.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { secretChecks } from './checks.ts'
import { type BearerSecretDeclaration, bearerSecretSchema, type PlanBearerSecret } from './planned.ts'

/** Opaque secrets, each shared by several nodes. */
export const bearerSecret: CredentialKind<BearerSecretDeclaration, PlanBearerSecret> = {
  name: 'bearer-secret',
  schema: bearerSecretSchema,
  part: 'secret',
  file: 'secret',
  issuing: { does: 'makes secrets' },
  handover: { method: 'copy', why: 'all its holders have the same one', hasSeveralHolders: true },
  resolve: resolveSecret,
  units: (compilation, node, held) => held.map((secret) => secretUnit(compilation, node, secret)),
  unacceptable,
  ...secretChecks,
  arrow: { style: 'thin', legend: 'secret, from its maker to holder' },
  places: (secret) => ({ secret }),
  findings: async (held, files) => (await import('./findings.ts')).secretFindings(held, files),
  live: async () => (await import('./live.ts')).liveBearerSecret,
}
// #endregion

// #region resolve
function resolveSecret(
  _: Compilation,
  { name, declaration, files, mistake }: Declared<BearerSecretDeclaration>,
): PlanBearerSecret | undefined {
  const { issuer, bytes = 32, format = 'hex' } = declaration
  const holders = [...holdersOf(declaration)]
  if (!holders.includes(issuer)) {
    const message = `"${issuer}" makes it, and is not among its holders: whoever makes a secret knows it`
    mistake(['issuer'], message, `name one of ${holders.join(', ')}, or add "${issuer}" to them`)
    return undefined
  }
  return { name, kind: 'bearer-secret', issuer, holders, handover: 'copy', bytes, format, files }
}

/** The oneshot in which a holder comes to it: one makes it first, and hands it to itself like to all others. */
function secretUnit(compilation: Compilation, node: string, secret: PlanBearerSecret): PlanUnit {
  const { name, issuer, bytes, format } = secret
  const isMaker = node === issuer
  const file = `@{dir}/secrets/${name}`
  return oneshot(node, {
    ref: `${node}/${name}`,
    kind: 'copy',
    summary: isMaker ? `makes the secret ${name}` : `receives the secret ${name} from ${issuer}`,
    after: isMaker ? [] : [`${issuer}/${name}`],
    steps: [
      ...(isMaker ? [{ secret: { path: file, bytes, as: format } }] : []),
      { receive: { from: issuer, source: { file }, to: handedTo(compilation, secret, node) } },
    ],
  })
}

/** Nobody can ask about it: who accepts it has it. */
function unacceptable(_: unknown, { target }: PlanAccept, __: unknown, { holders }: PlanBearerSecret): WhyNot[] {
  if (holders.includes(target)) return []
  return [['it does not hold it, and there is nobody to ask', `add "${target}" to its holders`]]
}
// #endregion
