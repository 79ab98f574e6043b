import { z } from 'zod'
import { durationSeconds } from '../../topology/duration.ts'
import { defineKind } from '../../topology/kind.ts'
import {
  brokerOf,
  certificateSetting,
  commandPlan,
  configurationOf,
  makerOf,
  overlapSetting,
  setupSetting,
} from '../nsc-program.ts'

const settings = z
  .strictObject({ setup: setupSetting, certificate: certificateSetting, overlap: overlapSetting })
  .describe(
    'Gives NATS users new keys and hands these over. To be run on demand, with `{ users?, overlapSeconds? }` as its input.',
  )

/** The rotation of services/nats-setup. */
export const nscRotate = defineKind({
  name: 'nsc-rotate',
  summary: 'gives NATS users new keys, hands these over and ends the old ones',
  settings,
  plan: (unit) => {
    const { setup, overlap } = unit.settings
    const configuration = configurationOf(unit, setup, makerOf(unit))
    const json = { ...configuration, broker: brokerOf(unit), overlapSeconds: durationSeconds(overlap) }
    return commandPlan('rotates credentials', json, { args: ['rotate', '--request', '-'], dials: true })
  },
})
