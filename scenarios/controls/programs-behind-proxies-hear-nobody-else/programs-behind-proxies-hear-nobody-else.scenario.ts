import { attacks } from 'holdfast/vitest'
import { proxiedAttacks } from '../differences.ts'

// With the plain theft beside them: where that works, no header is to blame.
await attacks('../../../fixtures/controls/proxied.json', {
  targets: [
    ...['behind-haproxy', 'behind-haproxy-adds', 'behind-haproxy-named', 'behind-haproxy-open'],
    ...['behind-nginx', 'behind-nginx-keeps', 'behind-nginx-open'],
  ],
  cases: ['PEER-01', 'TLS-01', 'TLS-21', 'TLS-22', 'TLS-23', 'TLS-24', 'TLS-25'],
  differs: proxiedAttacks,
  full: true,
  programs: ['haproxy', 'nginx'],
})
