import dns from 'node:dns'

// Loaded before a program under test: names of the tests resolve to loopback, all others as they are.
const lookup = dns.lookup as (...given: unknown[]) => unknown

dns.lookup = ((host: string, ...rest: unknown[]) =>
  lookup(host.endsWith('.somebiz.local.io') ? '127.0.0.1' : host, ...rest)) as typeof dns.lookup
