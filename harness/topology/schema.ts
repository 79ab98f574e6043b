import { z } from 'zod'
import type { DeclaredKind } from './credential-kind.ts'
import type { CredentialDeclaration } from './credential-types.ts'
import { durationPattern } from './duration.ts'

// The one schema of a topology: types, JSON Schema and reference docs are made from it.

/** A text that matches; `error` says what it must be. For schemas of all kinds. */
export const text = (pattern: RegExp, error: string) => z.string().regex(pattern, error)
/** The name of a node, a credential and so on: for credential kinds, too. */
export const name = text(
  /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
  'must be a name: lower-case letters, digits and hyphens, at most 63',
)
/** A DNS name in lower case: for settings of service kinds, too. */
export const hostText = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a DNS name in lower case, with at least one dot',
  )
/** A DNS name, the leftmost label of which may be `*`. */
export const sanPattern = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/
/** A duration text: for settings of service kinds, too. */
export const duration = text(durationPattern, 'must be a duration such as 30s, 10m, 2h or 30d')
/** A TCP port: for settings of service kinds. */
export const port = z.int().min(1).max(65_535)
const unitReference = text(
  /^[a-z][a-z0-9-]{0,62}(\/[a-z][a-z0-9-]{0,62})?$/,
  'must be UNIT (of the same node) or NODE/UNIT',
)
/** `name:name/what it is done to`: for settings of service kinds, too. */
export const actionPattern = /^[a-z][a-z0-9-]*(:[a-z][a-z0-9-]*)*(\/[!-~]+)?$/
const account = text(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'must be the name of a user or group')
const method = z.enum(['copy', 'enrol', 'mint'])

const handover = z
  .union([
    method,
    z.strictObject({
      method,
      path: text(/^[\x20-\x7e]+$/, 'must be a path of printable characters')
        .optional()
        .describe('File or folder at the receiver. Default: `credentials/<name>` in the node directory.'),
      owner: account.optional().describe('User that must own it. Default: that of the unit which reads it.'),
      group: account.optional().describe('Group that must own it.'),
      mode: text(/^0[0-7]{3}$/, 'must be four octal digits, such as 0600')
        .optional()
        .describe('Mode of the file. Default 0600.'),
    }),
  ])
  .describe('How the credential comes to its holder. A bare text is short for `{ method }`.')

/** Nearly every credential has one holder. */
const held = {
  holder: name.optional().describe('The node that holds it. This, or `holders`.'),
  holders: z.array(name).min(1).optional().describe('The nodes that hold it, where there are several.'),
  handover,
}

/** The schema of a credential kind: its own members, and those that every credential has. */
export function credentialSchema<const Kind extends string, Members extends z.ZodRawShape>(
  kind: Kind,
  description: string,
  members: Members,
) {
  return z
    .strictObject({ kind: z.literal(kind), ...members, ...held })
    .refine((declared) => 'holder' in declared !== 'holders' in declared, {
      path: ['holder'],
      error: 'is missing: write the node that holds it, or `holders`, and not both',
    })
    .meta({ description, oneOf: [{ required: ['holder'] }, { required: ['holders'] }] })
}

/** One unit by itself. */
export const unitSchema = z.strictObject({
  kind: name.describe('A service kind.'),
  after: z
    .array(unitReference)
    .optional()
    .describe('Units that must be ready first, beyond those that follow from the credentials.'),
  user: account.optional().describe('Operating-system user that its programs run as. Takes a backend with `ownUsers`.'),
  network: name.optional().describe('The network of its node in which it listens. Default: the first one of the node.'),
  start: z
    .literal('on demand')
    .optional()
    .describe('It is not started with its node, but run when a test asks for it. Oneshots only.'),
  settings: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('What the service kind is told. Each kind has a schema of its own.'),
})

const node = z.strictObject({
  host: hostText.describe('Its DNS name, unique in the topology.'),
  domain: name.describe('The trust domain that it belongs to.'),
  networks: z
    .array(name)
    .min(1)
    .optional()
    .describe(
      'Those that it is in, where the topology declares some; the first is its home. It finds another node in the first of them that both are in.',
    ),
  units: z.record(name, unitSchema).describe('The programs on the node.'),
})

const network = z.strictObject({ summary: z.string().min(1).optional().describe('One line for people.') })

const trustDomain = z.strictObject({
  ca: name.describe('The node whose CA is the root of this domain.'),
  issuer: name.optional().describe('The node whose auth server issues the tokens of this domain.'),
  peeringAudience: z
    .url({ protocol: /^https$/, error: 'must be an https URI' })
    .optional()
    .describe('Audience URI that every node of the domain accepts for peering.'),
})

const oneOrMoreNames = z.union([name, z.array(name).min(1)])

const accept = z.strictObject({
  target: oneOrMoreNames.describe('The node, or each of the nodes, that accepts.'),
  action: text(actionPattern, 'must be an action such as peering:connect or grid:publish/JOBS.*.done').describe(
    'What the caller does there. The service kinds of the target name their actions.',
  ),
  credential: oneOrMoreNames.describe('The credential, or each of those, that is accepted.'),
  by: name.optional().describe('The node that calls with it. Default: its holder, the first of several.'),
})

/** What a topology may say, with credentials of these kinds. Unknown members are mistakes. */
export function topologySchema(kinds: readonly DeclaredKind[]) {
  const schemas = kinds.map(({ schema }) => schema)
  // Each of them reads what its kind declares; together they read what any of the kinds does.
  const credential = z.discriminatedUnion('kind', schemas as never) as unknown as z.ZodType<
    CredentialDeclaration,
    CredentialDeclaration
  >
  return z.strictObject({
    name,
    summary: z.string().min(1).describe('One line for people.'),
    trustDomains: z.record(name, trustDomain).describe('Sets of nodes under one root of trust.'),
    networks: z
      .record(name, network)
      .optional()
      .describe('What nodes reach each other in: those that share none do not. Default: one, in which all nodes are.'),
    nodes: z.record(name, node).describe('The hosts, by name.'),
    credentials: z.record(name, credential).describe('Who issues what to whom, and how it is handed over.'),
    accepts: z.array(accept).describe('Who accepts what. Everything else must be refused.'),
  })
}

/** A declared topology: plain data. */
export type Topology = z.output<ReturnType<typeof topologySchema>>
/** A topology as people write it: members that have a default may be left out. */
export type TopologyInput = z.input<ReturnType<typeof topologySchema>>
/** The same where lists may be read-only, as `as const` makes them. */
export type TopologyDeclaration = ReadonlyLists<TopologyInput>

type ReadonlyLists<Value> = Value extends readonly (infer Entry)[]
  ? readonly ReadonlyLists<Entry>[]
  : Value extends object
    ? { [Name in keyof Value]: ReadonlyLists<Value[Name]> }
    : Value
export type TrustDomainDeclaration = z.output<typeof trustDomain>
export type NetworkDeclaration = z.output<typeof network>
export type NodeDeclaration = z.output<typeof node>
export type UnitDeclaration = z.output<typeof unitSchema>
export type { CredentialDeclaration }
export type AcceptDeclaration = z.output<typeof accept>
export type HandoverMethod = z.output<typeof method>
export type HandoverDeclaration = z.output<typeof handover>

/** The nodes that hold a credential, whichever way it says so. */
export function holdersOf({ holder, holders }: CredentialDeclaration): readonly string[] {
  return holders ?? (holder === undefined ? [] : [holder])
}

/** A hand-over in its long form, with the default mode filled in. */
export function handoverOf({ handover: declared }: { handover: HandoverDeclaration }) {
  return { mode: '0600', ...(typeof declared === 'string' ? { method: declared } : declared) }
}
