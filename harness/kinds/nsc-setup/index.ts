import type { NatsInsider, NatsOperator } from '../../credentials/nats-creds/planned.ts'
import { durationSeconds } from '../../topology/duration.ts'
import { defineKind, type UnitContext } from '../../topology/kind.ts'
import { setupFile, setupFolder } from '../nats-files.ts'
import {
  COPIER,
  commandPlan,
  configurationOf,
  handoverFolder,
  MAKER,
  type MakerSettings,
  makerSettings,
  REVOKER,
  unitOf,
} from '../nsc-program.ts'
import { handedOver } from './roles.ts'

type Unit = UnitContext<MakerSettings>

/** Operator, accounts and users of a broker, made by the real nsc: services/nats-setup. */
export const nscSetup = defineKind({
  name: MAKER,
  summary: 'operator, accounts and users of a NATS broker, made by nsc',
  settings: makerSettings,
  plan,
  offers: { 'nats-creds': operatorOf },
})

function plan(unit: Unit) {
  checkLifetimes(unit)
  const { operator } = unit.settings
  const json = { ...configurationOf(unit, unit.unit, unit.settings), handovers: [] }
  return commandPlan(`makes the operator ${operator}, its accounts and users`, json, { args: ['setup'] })
}

function checkLifetimes({ settings, mistake }: Unit): void {
  const { userLifetime, accountLifetime } = settings
  if (durationSeconds(userLifetime) < 60)
    mistake('settings.userLifetime', 'is shorter than 1m, the shortest that nsc knows')
  if (durationSeconds(accountLifetime) < 86_400) mistake('settings.accountLifetime', 'is shorter than 1d')
}

function operatorOf(unit: Unit): NatsOperator {
  const copier = unitOf(unit, COPIER, unit.unit)
  return {
    operator: unit.settings.operator,
    users: handedOver,
    folder: (credential) => handoverFolder(copier ?? COPIER, credential),
    // They lie there once they were copied. Without a unit that does, whoever holds some waits for this one in vain, and is told so.
    ...(copier !== undefined && { after: `${unit.node}/${copier}` }),
    insider: insiderOf(unit),
  }
}

function insiderOf(unit: Unit): NatsInsider | undefined {
  const revoke = unitOf(unit, REVOKER, unit.unit)
  if (revoke === undefined) return undefined
  const folder = setupFolder(unit.unit)
  return {
    ...{ keys: `${folder}/nsc/keys/keys`, record: `${folder}/${setupFile}`, revoke },
    ...{ signer: { account: 'SYS', key: ['users', 'sys', 'signer'] }, pusher: `${folder}/push-creds/sys.creds` },
  }
}
