import { z } from 'zod'
import { defineKind } from '../../topology/kind.ts'
import { brokerOf, certificateSetting, commandPlan, configurationOf, makerOf, setupSetting } from '../nsc-program.ts'

const settings = z
  .strictObject({ setup: setupSetting, certificate: certificateSetting })
  .describe('Brings the claims of all accounts to the broker of its node, and sees that they are there.')

/** The push of services/nats-setup. */
export const nscPush = defineKind({
  name: 'nsc-push',
  summary: 'brings the claims of accounts to a NATS broker (nsc push)',
  settings,
  plan: (unit) => {
    const configuration = configurationOf(unit, unit.settings.setup, makerOf(unit))
    const json = { ...configuration, handovers: [], broker: brokerOf(unit) }
    const plan = commandPlan('pushes the claims of all accounts', json, { args: ['push'], dials: true })
    // A broker that lost its claims, or has older ones, gets the newest.
    return { ...plan, again: 'each start' }
  },
})
