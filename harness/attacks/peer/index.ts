import type { Attack } from '../attack.ts'
import { holders } from './holders.ts'
import { issuers } from './issuers.ts'
import { lifetimes } from './lifetimes.ts'
import { minting } from './minting.ts'
import { outgoing } from './outgoing.ts'

export const peering: readonly Attack[] = [...holders, ...issuers, ...minting, ...outgoing, ...lifetimes].toSorted(
  (a, b) => a.id.localeCompare(b.id),
)
