import dns from 'node:dns'
import type { LookupFunction } from 'node:net'

const loopback = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

/**
 * Looks names up as the system does, but localhost: that is each loopback address (RFC 6761 section 6.3), one of which the hosts file
 * of many a machine leaves out. A connection tries one after the other.
 */
export const lookUp: LookupFunction = (host, options, done) => {
  if (host !== 'localhost' || !options.all) dns.lookup(host, options, done)
  else done(null, loopback)
}
