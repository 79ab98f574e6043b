import { isIPv6 } from 'node:net'

/**
 * By whom a remote address is counted, where something is limited by address. Of IPv6 that is the network of 64 bits, since whoever has one
 * address has all of it (RFC 4291 section 2.5.1); an address of IPv4 is one in either form.
 */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [left = [], right = []] = address.split('::').map((part) => part.split(':').filter(Boolean))
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`
}
