import { z } from 'zod'
import { defineKind } from '../../topology/kind.ts'
import {
  brokerOf,
  certificateSetting,
  commandPlan,
  configurationOf,
  makerOf,
  REVOKER,
  setupSetting,
} from '../nsc-program.ts'

const settings = z
  .strictObject({ setup: setupSetting, certificate: certificateSetting })
  .describe('Ends credentials of NATS users. To be run on demand, with `{ users }` or `{ account, key }` as its input.')

/** The revocation of services/nats-setup. */
export const nscRevoke = defineKind({
  name: REVOKER,
  summary: 'ends credentials of NATS users, also of those who are connected',
  settings,
  plan: (unit) => {
    const configuration = configurationOf(unit, unit.settings.setup, makerOf(unit))
    const json = { ...configuration, broker: brokerOf(unit) }
    return commandPlan('revokes a user', json, { args: ['revoke', '--request', '-'], dials: true })
  },
})
