import { type Family, inOrder } from '../attack.ts'
import { holders } from './holders.ts'
import { issuers } from './issuers.ts'
import { lifetimes } from './lifetimes.ts'
import { minting } from './minting.ts'
import { outgoing } from './outgoing.ts'

export const family: Family = {
  name: 'peer',
  summary: 'peering of orchestrators',
  surfaces: {
    'speaks:websocket': 'an action that opens a session, which lives on',
    dialer: 'a unit that opens sessions at its peers',
    'peers-api': 'a unit with a list of peers that an operator changes',
    'mint-api': 'a unit that mints tokens for its operator',
    'operator-api': 'a unit with an API for operators only',
  },
  attacks: inOrder(holders, issuers, minting, outgoing, lifetimes),
}
