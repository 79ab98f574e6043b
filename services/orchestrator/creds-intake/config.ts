import { z } from 'zod'
import type { Program } from '../../shared/configuration.ts'
import { RECEIVERS } from '../../shared/nats/roles.ts'

const path = z.string().min(1, 'must name a file or folder')
const account = z.string().min(1, 'must be a name or a number')

const schema = z.strictObject({
  node: z.string().min(1).describe('Name of this node.'),
  unit: z.string().min(1).default('creds-intake').describe('Name of this unit, for its records.'),
  receiver: z.enum(RECEIVERS).default('orchestrator').describe('Whose credentials are taken over.'),
  handover: z.strictObject({
    folder: path.describe('Where they are handed over.'),
    owner: account.optional().describe('User that this folder and its files must belong to. Default: our own.'),
    group: account.optional().describe('Group that they must belong to. Default: any.'),
    fileMode: z
      .string()
      .regex(/^0[0-7]{3}$/, 'must be a mode such as 0640')
      .default('0640')
      .describe('Mode that each file must have.'),
    timeoutSeconds: z.int().min(1).max(3_600).default(120).describe('How long they are waited for.'),
  }),
  credsDir: path.describe('Folder (0700) that they are installed in.'),
  decisionLog: path.describe('JSONL file for decision records.'),
})

export type IntakeConfiguration = z.output<typeof schema>

export const intakeProgram: Program<IntakeConfiguration> = {
  name: 'orchestrator creds-intake',
  environmentPrefix: 'CREDS_INTAKE',
  schema,
}
