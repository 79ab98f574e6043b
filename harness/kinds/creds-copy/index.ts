import { z } from 'zod'
import { defineKind } from '../../topology/kind.ts'
import { COPIER, commandPlan, configurationOf, makerOf, setupSetting } from '../nsc-program.ts'

const settings = z
  .strictObject({
    setup: setupSetting,
    group: z
      .string()
      .min(1)
      .optional()
      .describe('Group by which receivers read the folders. Default: their owner alone reads.'),
  })
  .describe('Hands credentials of NATS users over: a folder for each nats-creds that its node issues.')

/** The copy of services/nats-setup: credentials, and the manifest that makes a set of them. */
export const credsCopy = defineKind({
  name: COPIER,
  summary: 'hands credentials of NATS users over, in a folder for each receiver',
  settings,
  plan: (unit) => {
    const { setup, group } = unit.settings
    const { handovers, ...configuration } = configurationOf(unit, setup, makerOf(unit))
    const json = { ...configuration, handovers: handovers.map((handover) => ({ ...handover, group })) }
    return commandPlan(`hands credentials over to ${handovers.length} receivers`, json, { args: ['copy'] })
  },
})
