import { guard } from '../../shared/guard.ts'

/** How the wait for credentials that another host hands over came to its end. */
export interface HandoverContext {
  /** Something stands where the manifest is to be. */
  readonly hasCome: boolean
}

/** What does not come is not waited for any longer: whoever needs it is started again when it is there. */
export const credsHandover = guard<HandoverContext>('creds.handover', ['handover_timeout'], ({ hasCome }) =>
  hasCome ? undefined : { reason: 'handover_timeout', status: null },
)
