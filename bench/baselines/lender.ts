import { program } from '../../services/federation-gateway/config.ts'
import { type Core, openCore } from '../../services/federation-gateway/core.ts'
import { createCa, createFederating, type FederatingOptions } from '../../services/federation-gateway/federating.ts'
import { lendingVerbs } from '../../services/federation-gateway/lending/verbs.ts'
import { Records } from '../../services/federation-gateway/listeners/records.ts'
import { prepare } from '../../services/federation-gateway/start/prepare.ts'
import { createLog } from '../../services/shared/log.ts'

// The gateway's own listener of peers, of a process that does nothing else.

export interface LenderConfig {
  /** What stands in its `gateway.json`. */
  readonly configuration: object
  /** Neither decisions nor rows of the audit are kept. */
  readonly isSilent?: boolean
  /** Lists of revoked certificates in place of the CA's, PEM. */
  readonly lists?: readonly string[]
}

process.once('message', async (config) => {
  const { configuration, isSilent = false, lists } = config as LenderConfig
  const read = program.schema.parse(configuration)
  const listeners = { ...read.listeners, federation: '127.0.0.1:0' }
  // Ours stay in force.
  const crl = { ...read.crl, refreshSeconds: 3_600 }
  const prepared = (await prepare({ ...read, listeners, crl })) as FederatingOptions['prepared']
  const log = createLog({ node: 'bench', unit: read.unit })
  const opened = await openCore(prepared, log)
  const core = isSilent ? { ...opened, ...silent(log) } : opened
  const { database, cursors } = core
  const federating = createFederating({
    ...{ prepared, core, ca: createCa(prepared) },
    verbs: { ...lendingVerbs({ database, source: read.publicName, cursors }), renew },
    onClosed: (failure) => {
      throw failure
    },
  })
  await federating.start()
  const { keeper, listener } = federating
  if (lists !== undefined) await listener.useLists({ ...keeper.current!, pems: lists })
  process.send?.({ port: listener.port })
})
process.once('disconnect', () => process.exit(0))

function silent(log: Core['log']): Pick<Core, 'records' | 'audit'> {
  const nowhere = { record() {}, close() {} }
  const audit = { open: () => ({ settle() {}, cancel() {} }) }
  return { records: new Records(nowhere, log), audit: audit as unknown as Core['audit'] }
}

function renew(): never {
  throw new Error('nobody renews in a bench')
}
