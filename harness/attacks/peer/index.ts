import { type Family, inOrder } from '../attack.ts'
import { holders } from './holders.ts'
import { issuers } from './issuers.ts'
import { lifetimes } from './lifetimes.ts'
import { minting } from './minting.ts'
import { outgoing } from './outgoing.ts'

export const family: Family = {
  name: 'peer',
  summary: 'peering of orchestrators',
  attacks: inOrder(holders, issuers, minting, outgoing, lifetimes),
}
