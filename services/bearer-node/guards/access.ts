import { nothingPresented } from '../../shared/bearer.ts'
import { guard } from '../../shared/guard.ts'

export interface Accessing {
  /** Whether what is asked for needs a token. */
  readonly isClosed: boolean
  readonly isPresented: boolean
  /** The proxy whose connection it is. It gives no right: the reason says where a header may have been lost. */
  readonly via: string | undefined
}

export const bearerAccess = guard<Accessing>(
  'bearer.access',
  ['credential_missing', 'credential_missing_via_proxy'],
  ({ isClosed, isPresented, via }) => {
    if (!isClosed || isPresented) return undefined
    return nothingPresented(via === undefined ? 'credential_missing' : 'credential_missing_via_proxy')
  },
)
