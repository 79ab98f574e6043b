import dns, { type LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { classOf } from '../bearer-node/exposure/address-class.ts'
import type { Place } from './call.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Access } from './node.ts'

/**
 * Where a URL leads, once that is judged: in clear only to loopback and private addresses, and by https only to who has a certificate of the
 * named roots. Nothing has been sent by then. @throws CommandFailed
 */
export async function placeOf(url: URL, { token, ca, note }: Access): Promise<Place> {
  const { protocol, host } = url
  const addresses = await addressesOf(url)
  if (protocol === 'https:') {
    if (ca !== undefined) return { url, addresses, ca }
    const text = `${host} is to prove who it is, and no root is named; name its file by --ca-file (HOLDFAST_P2P_CA_FILE)`
    throw new CommandFailed('ca_missing', text, EXIT.usage)
  }
  const exposed = addresses.find(({ address }) => classOf(address) === 'exposed')
  if (exposed !== undefined) {
    const text = `${url.origin} leads to ${exposed.address}, on whose way others can read all that goes in clear; nothing was sent: use https`
    throw new CommandFailed('peer_plaintext', text, EXIT.refused)
  }
  if (token !== undefined && addresses.some(({ address }) => classOf(address) === 'private')) {
    note(`warning: the token crosses the network to ${host} in clear, where others may read it; use https`)
  }
  return { url, addresses, ca: [] }
}

/** An address in the URL is itself; a name is asked for once, so that what is judged here is what is dialled. */
async function addressesOf({ hostname, host }: URL): Promise<LookupAddress[]> {
  const bare = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(bare)
  if (family !== 0) return [{ address: bare, family }]
  try {
    return await new Promise((resolve, reject) => {
      dns.lookup(bare, { all: true }, (failure, found) => (failure ? reject(failure) : resolve(found)))
    })
  } catch (failure) {
    const { code } = failure as NodeJS.ErrnoException
    throw new CommandFailed(
      'server_unreachable',
      `${host} has no address (${code}); see that the URL is right`,
      EXIT.unreachable,
    )
  }
}
