import { z } from 'zod'
import { durationSeconds } from '../../topology/duration.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Template } from '../../topology/plan.ts'
import { duration, handoverOf } from '../../topology/schema.ts'

const settings = z
  .strictObject({
    from: z.string().describe('The credential that is taken over: a set of `nats-creds` that this node holds.'),
    receiver: z
      .enum(['orchestrator', 'host'])
      .default('orchestrator')
      .describe('Whose credentials it must be: no others are taken over.'),
    timeout: duration.default('45s').describe('How long they are waited for: a minute at most.'),
  })
  .describe('The intake of credentials: it waits for them, judges them, and installs them for the unit that logs in.')

type Declaration = ReturnType<Unit['credential']>['declaration']
type Unit = UnitContext<z.output<typeof settings>>

/** The intake under `services/orchestrator`: at the start, and again whenever something else is handed over. */
export const credsIntake = defineKind({
  name: 'creds-intake',
  summary: 'takes credentials over that another node handed over: waits, judges, installs',
  settings,
  plan,
})

/** Folder in which an intake of this node installs credentials. */
export function installedBy(unit: string): Template {
  return `@{dir}/units/${unit}/nats-creds`
}

function plan(unit: Unit): KindPlan {
  const { from } = unit.settings
  const { path, declaration } = unit.credential(from)
  if (declaration !== undefined && declaration.kind !== 'nats-creds') {
    unit.mistake('settings.from', `"${from}" is no set of nats-creds; name one`)
  }
  if (durationSeconds(unit.settings.timeout) > 60)
    unit.mistake('settings.timeout', 'is longer than a step may take; use 60s')
  // A plan is plain JSON: settings that were left out are left out there, too.
  const json: unknown = JSON.parse(JSON.stringify(configuration(unit, path, declaration)))
  return {
    summary: `takes ${from} over, and installs it`,
    files: [{ path: '@{unit}/config.json', json }],
    steps: [
      { follow: { folder: path } },
      {
        run: {
          program: { service: 'orchestrator' },
          args: ['creds-intake', '--config', '@{unit}/config.json'],
        },
      },
    ],
    decisionLog: '@{unit}/decisions.jsonl',
  }
}

function configuration({ node, unit, settings }: Unit, folder: Template, declaration: Declaration) {
  const { owner, group, mode } = handoverOf(declaration ?? { handover: 'copy' })
  return {
    ...{ node, unit, receiver: settings.receiver },
    handover: { folder, owner, group, fileMode: mode, timeoutSeconds: durationSeconds(settings.timeout) },
    credsDir: installedBy(unit),
    decisionLog: '@{unit}/decisions.jsonl',
  }
}
