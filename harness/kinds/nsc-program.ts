import { z } from 'zod'
import { durationSeconds } from '../topology/duration.ts'
import type { KindPlan, UnitContext } from '../topology/kind.ts'
import type { Command, Template } from '../topology/plan.ts'
import { duration, name } from '../topology/schema.ts'
import { resolverFolder, setupFolder } from './nats-files.ts'
import { tlsFiles } from './reference-service.ts'

// What the kinds have in common that run a command of services/nats-setup. Units of one node work on one setup: that of the unit of
// kind nsc-setup which they name.

export const MAKER = 'nsc-setup'
export const COPIER = 'creds-copy'
export const REVOKER = 'nsc-revoke'

/** What a unit says that works on the setup of another one. */
export const setupSetting = name.default('nats-auth-setup').describe('The unit of its node that made the users.')

export const certificateSetting = name
  .optional()
  .describe('The certificate credential that is shown to the broker. Default: `cert-<node>`.')

export const overlapSetting = duration.default('1m').describe('How long credentials that were replaced go on working.')

/** Settings of the unit that makes operator, accounts and users. */
export const makerSettings = z
  .strictObject({
    operator: z
      .string()
      .regex(/^[A-Z][A-Z0-9_-]{0,31}$/, 'must be a name in capital letters')
      .default('HOLO')
      .describe('Name of the operator.'),
    broker: name.default('nats-server').describe('The unit of its node that is the broker.'),
    userLifetime: duration.default('24h').describe('Life of credentials, in whole minutes.'),
    accountLifetime: duration.default('365d').describe('Life of accounts, in whole days.'),
  })
  .describe('A NATS operator with its accounts, roles and users, made by nsc.')

export type MakerSettings = z.infer<typeof makerSettings>
type Unit = UnitContext<{ readonly setup: string }>
type DialingUnit = UnitContext<{ readonly setup: string; readonly certificate?: string | undefined }>

/** The one unit of a node that is of a kind and works on a setup, if there is one. */
export function unitOf(unit: UnitContext<unknown>, kind: string, setup: string): string | undefined {
  const units = Object.entries(unit.topology.nodes[unit.node]!.units)
  const found = units.find(([, one]) => one.kind === kind && (one.settings?.setup ?? 'nats-auth-setup') === setup)
  return found?.[0]
}

/** Where a node lays what it hands over as a credential. */
export function handoverFolder(copier: string, credential: string): Template {
  return `@{dir}/units/${copier}/handover/${credential}`
}

/** Settings of the unit that made the users; reports one that is not there. */
export function makerOf(unit: Unit): MakerSettings {
  const { setup } = unit.settings
  const maker = unit.topology.nodes[unit.node]!.units[setup]
  const read = makerSettings.safeParse(maker?.settings ?? {})
  if (maker?.kind !== MAKER) {
    const what =
      maker === undefined ? `node "${unit.node}" has no unit "${setup}"` : `"${setup}" is of kind ${maker.kind}`
    unit.mistake('settings.setup', `${what}; name its unit of kind ${MAKER}`)
  }
  // Wrong settings are told where they stand.
  return read.data ?? makerSettings.parse({})
}

/** What the program is told: whose setup, how long things live, and what is handed over where. */
export function configurationOf(unit: UnitContext<unknown>, setup: string, maker: MakerSettings) {
  const handedOver = unit.issued('nats-creds').filter(({ of }) => of === undefined)
  return {
    nsc: '@{tool:nsc}',
    operator: maker.operator,
    stateDir: setupFolder(setup),
    resolverDir: resolverFolder(maker.broker),
    lifetimes: {
      userMinutes: Math.floor(durationSeconds(maker.userLifetime) / 60),
      accountDays: Math.floor(durationSeconds(maker.accountLifetime) / 86_400),
    },
    handovers: handedOver.map(({ source, users }) => {
      return { dir: source, users: users.map((user) => user.slice(user.indexOf('/') + 1)) }
    }),
  }
}

/** How the broker is reached from its own host. */
export function brokerOf(unit: DialingUnit) {
  const { ca, cert, key } = tlsFiles(unit)
  return { url: unit.url(unit.node, 'nats').replace(/^https:/, 'tls:'), ca, cert, key }
}

/** A unit that runs one command to its end. `dials`: nsc asks the broker by its name. */
export function commandPlan(
  summary: string,
  json: unknown,
  { args, dials }: { args: readonly string[]; dials?: true },
): Pick<KindPlan, 'summary' | 'files' | 'steps'> {
  const program: Command['program'] = { service: 'nats-setup', starts: [{ tool: 'nsc', dials }] }
  return {
    summary,
    files: [{ path: '@{unit}/config.json', json }],
    steps: [{ run: { program, args: [...args, '--config', '@{unit}/config.json'] } }],
  }
}
