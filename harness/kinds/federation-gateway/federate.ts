import type { PlanFederationGrant } from '../../credentials/federation-grant/planned.ts'
import type { PlanFile, PlanUnit, Step, Template } from '../../topology/plan.ts'
import { holdersOf } from '../../topology/schema.ts'
import type { Unit } from './index.ts'
import { subjectsIn } from './lent.ts'

// Two oneshots by which gateways come to ask each other: a lender invites, and whoever was invited adds it as a peer. Both do what an
// administrator does, by the program that an administrator has.

const INVITE = 'invite'
const FEDERATE = 'federate'

/** The program `federation`, as an operator of the gateway of this node. */
interface Administering {
  readonly unit: Unit
  readonly operatorToken: Template
  /** File with the root of its certificate. */
  readonly ca: Template
}

function federation({ unit, operatorToken, ca }: Administering, tenant: string, ...words: string[]): Step {
  const url = `https://${unit.host}:${unit.settings.ports.public}`
  const as = ['--url', url, '--admin-token-file', operatorToken, '--gateway-ca', ca, '--tenant', tenant]
  return { run: { program: { service: 'federation-cli' }, args: [...as, ...words] } }
}

/** What the lender does: registers each peer, grants, and writes an invitation for each grant. */
export function inviting(as: Administering): PlanUnit[] {
  const { unit } = as
  const grants = unit.settings.invites.flatMap((name, at) => {
    const found = unit.issued('federation-grant').find((one) => one.name === name)
    if (found !== undefined) return found
    // While it is only asked what it offers, nothing is issued yet.
    if (unit.topology.credentials[name]?.issuer !== unit.node)
      unit.mistake(`settings.invites.${at}`, `"${name}" is no grant of "${unit.node}"; name one that it issues`)
    return []
  })
  if (unit.settings.invites.length === 0) return []
  const hostOf = ({ holders }: PlanFederationGrant) => unit.topology.nodes[holders[0]!]!.host
  const scopeOf = ({ name }: PlanFederationGrant): PlanFile['path'] => `@{unit}/${name}.json`
  const peers = new Map(grants.map((grant) => [`${grant.user.tenant} ${hostOf(grant)}`, grant]))
  return [
    {
      name: INVITE,
      kind: 'register',
      summary: `grants ${unit.settings.invites.join(', ')}, and writes invitations`,
      after: [`${unit.node}/${unit.unit}`],
      files: grants.map((grant) => ({ path: scopeOf(grant), json: grant.document })),
      steps: [
        ...[...peers.values()].map((grant) => federation(as, grant.user.tenant, 'peer', 'register', hostOf(grant))),
        ...grants.flatMap((grant): Step[] => {
          const [to, user] = [hostOf(grant), grant.subject]
          const parties = ['--user', user, '--peer', to, '--scope', scopeOf(grant), '--allow-sensitive']
          return [
            federation(as, grant.user.tenant, 'grant', 'create', ...parties),
            federation(
              as,
              grant.user.tenant,
              'grant',
              'token',
              `${to}/${user}`,
              '--out',
              invitationAt('@{unit}', grant.name),
            ),
          ]
        }),
      ],
    },
  ]
}

/** What whoever asks does with the invitations: each user that is named has a peer of his own then. */
export function federating(as: Administering): PlanUnit[] {
  const { unit } = as
  const all = Object.entries(unit.settings.federates)
  if (all.length === 0) return []
  const users = subjectsIn(unit.settings)
  const lanes = all.map(([name, user]) => {
    const declared = unit.topology.credentials[name]
    if (declared?.kind !== 'federation-grant' || !holdersOf(declared).includes(unit.node))
      unit.mistake(
        `settings.federates.${name}`,
        `"${name}" is no grant that "${unit.node}" holds; name one that it does`,
      )
    const found = users[user]
    if (found === undefined) {
      const known = Object.keys(users).sort().join(', ') || 'none'
      unit.mistake(`settings.federates.${name}`, `"${user}" is no user among what it imports; there is ${known}`)
    }
    const lender = String(declared?.issuer)
    const invitation = invitationAt('@{unit}', name)
    const source = { file: invitationAt(`@{dir}/units/${INVITE}`, name) }
    const steps: Step[] = [
      { receive: { from: lender, source, to: { path: invitation, mode: '0600' } } },
      federation(as, found?.tenant ?? '', 'peer', 'add', '--invitation', invitation, '--for', user),
    ]
    return { lender, steps }
  })
  return [
    {
      name: FEDERATE,
      kind: 'register',
      summary: `adds ${[...new Set(lanes.map(({ lender }) => lender))].join(', ')} as a peer of its users`,
      after: [`${unit.node}/${unit.unit}`, ...new Set(lanes.map(({ lender }) => `${lender}/${INVITE}`))],
      files: [],
      steps: lanes.flatMap(({ steps }) => steps),
    },
  ]
}

function invitationAt(folder: Template, grant: string): Template {
  return `${folder}/${grant}.invitation`
}
