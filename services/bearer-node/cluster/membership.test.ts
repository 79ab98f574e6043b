import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { majorityOf, membershipOf } from './membership.ts'

const peers = ['orc-2', 'orc-1', 'orc-3'].map((id) => ({ id, url: `https://${id}.test:8770`, voter: id !== 'orc-3' }))
const configured = { clusterId: 'c', nodeId: 'orc-1', peers, listen: [] }

test.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
  [6, 4],
  [9, 5],
])('of %i voters %i are a majority', (voters, majority) => {
  expect(majorityOf(voters)).toBe(majority)
})

test('a list is the same in whatever order it stands, and however its URLs end', () => {
  const own = membershipOf(configured)
  const text = `[${['orc-1', 'orc-2', 'orc-3']
    .map((id) => `{"id":"${id}","url":"https://${id}.test:8770","voter":${id !== 'orc-3'}}`)
    .join(',')}]`
  expect(own).toMatchObject({ cluster: 'c', self: { id: 'orc-1' }, voters: ['orc-1', 'orc-2'], majority: 2 })
  expect(own.others.map(({ id }) => id)).toEqual(['orc-2', 'orc-3'])
  expect(own.hash).toBe(createHash('sha256').update(text).digest('hex'))

  const turned = peers.toReversed().map((peer) => ({ ...peer, url: `${peer.url}/` }))
  expect(membershipOf({ ...configured, nodeId: 'orc-2', peers: turned }).hash).toBe(own.hash)
})

test.each([
  ['another URL', { url: 'https://orc-2.test:8771' }],
  ['another voter', { voter: false }],
  ['another id', { id: 'orc-9' }],
])('%s makes another list', (_, change) => {
  const others = [{ ...peers[0]!, ...change }, ...peers.slice(1)]
  expect(membershipOf({ ...configured, peers: others }).hash).not.toBe(membershipOf(configured).hash)
})

test('a node without peers is a cluster of its own', () => {
  const listen = [{ address: '::1', port: 8770, tls: { certFile: 'c', keyFile: 'k' } }]
  expect(membershipOf({ ...configured, peers: [], listen })).toMatchObject({
    ...{ self: { id: 'orc-1', url: 'https://[::1]:8770', voter: true }, others: [], voters: ['orc-1'], majority: 1 },
  })
})

test('a node that its own list does not name is none of the cluster', () => {
  expect(() => membershipOf({ ...configured, nodeId: 'orc-9' })).toThrow(/does not name this node, orc-9/)
})
