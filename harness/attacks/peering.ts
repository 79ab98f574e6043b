import type { Attack } from './attack.ts'
import { holders } from './peering-holders.ts'
import { issuers } from './peering-issuers.ts'
import { lifetimes } from './peering-lifetimes.ts'
import { minting } from './peering-minting.ts'
import { outgoing } from './peering-outgoing.ts'

export const peering: readonly Attack[] = [...holders, ...issuers, ...minting, ...outgoing, ...lifetimes].toSorted(
  (a, b) => a.id.localeCompare(b.id),
)
