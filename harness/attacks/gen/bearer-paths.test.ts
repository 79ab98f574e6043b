import { expect, test } from 'vitest'
import { spellingsOf } from './bearer-paths.ts'

test('a path is written in other ways, and what is asked of it stays as it is', () => {
  expect(spellingsOf('/orders?limit=1')).toEqual([
    ...['/orders/?limit=1', '/orders/.?limit=1', '//orders?limit=1', '/./orders?limit=1', '/x/../orders?limit=1'],
    ...['/x/%2e%2e/orders?limit=1', '/ORDERS?limit=1', '/%6frders?limit=1', '/orders;x=1?limit=1'],
    ...['/orders%20?limit=1', '/orders.json?limit=1', '/%256frders?limit=1', '/orders%2f?limit=1', '/\\orders?limit=1'],
    ...['/orders.?limit=1', '/orders%00?limit=1', '/orders?x=/health&limit=1', '/orders;/health?limit=1'],
    ...['/public/../orders?limit=1', '/public/%2e%2e/orders?limit=1'],
  ])
  expect(spellingsOf('/1')).not.toContain('/1')
})
