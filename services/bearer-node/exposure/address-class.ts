import { BlockList, isIP } from 'node:net'

/** How far an address can be reached from. `exposed`: public ones, the shared 100.64.0.0/10, and wildcards, which are all at once. */
export type AddressClass = 'loopback' | 'private' | 'exposed'

const LOOPBACK = ranges(['127.0.0.0/8', '::1/128'])
/** RFC 1918, RFC 4193; link-local: RFC 3927, RFC 4291 section 2.5.6. */
const PRIVATE = ranges(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', 'fc00::/7', 'fe80::/10'])

/** `address`: of IPv4, or of IPv6 with or without a zone. What is no address is `exposed`. */
export function classOf(address: string): AddressClass {
  const [plain = ''] = address.split('%')
  const family = isIP(plain)
  if (family === 0) return 'exposed'
  // An IPv4 address that is written as one of IPv6 is judged as what it is.
  if (LOOPBACK.check(plain, family === 4 ? 'ipv4' : 'ipv6')) return 'loopback'
  return PRIVATE.check(plain, family === 4 ? 'ipv4' : 'ipv6') ? 'private' : 'exposed'
}

/** Whether a token may go to that address in clear. The address that is dialled counts, whatever name led to it. */
export function mayGoInClear(address: string): boolean {
  return classOf(address) !== 'exposed'
}

function ranges(list: readonly string[]): BlockList {
  const block = new BlockList()
  for (const range of list) {
    const [network = '', bits] = range.split('/')
    block.addSubnet(network, Number(bits), isIP(network) === 4 ? 'ipv4' : 'ipv6')
  }
  return block
}
