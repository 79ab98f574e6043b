import { expect, test } from 'vitest'
import type { LeaseRecord } from '../guards/lease.ts'
import { Refusal } from '../listener/route.ts'
import { NodeTime, SimTime } from './testing/sim-time.ts'
import { type LeaseRequest, Voter } from './voter.ts'

// The table of the lease, row by row, at a voter whose clock is set.

const LEASE_MS = 3_000

async function voterWith(recorded: LeaseRecord | undefined, passedMs = 0, canWrite = true) {
  const world = new SimTime()
  const time = new NodeTime(world, { rate: 1, aheadMs: 0 })
  const written: LeaseRecord[] = []
  const epochs: number[] = []
  const putLease = (record: LeaseRecord): void => {
    if (!canWrite) throw new RangeError('the disk is full')
    written.push(record)
  }
  const store = { lease: () => recorded, putLease, heads: () => new Map() }
  const voter = new Voter({ id: 'orc-2', store, time, onEpoch: (epoch) => void epochs.push(epoch) })
  await world.advance(passedMs)
  return { voter, written, epochs, world }
}

const held: LeaseRecord = { epoch: 5, holder: 'orc-1', leaseMs: LEASE_MS, released: false }
const asked = { candidate: 'orc-3', epoch: 6, leaseMs: LEASE_MS, takeover: false }

function refusalOf(voter: Voter, request: LeaseRequest) {
  try {
    return voter.decide(request).result
  } catch (failure) {
    if (!(failure instanceof Refusal)) throw failure
    const { guard, reason, answer } = failure
    return { guard, reason, status: answer.status, body: answer.body }
  }
}

const stale = { guard: 'bearer.fence', reason: 'stale_epoch', status: 409, body: { error: 'stale_epoch', epoch: 5 } }
const heldBody = (remainingMs: number) => ({ error: 'lease_held', holder: 'orc-1', epoch: 5, remainingMs })
const heldFor = (remainingMs: number) => {
  return { guard: 'bearer.lease', reason: 'lease_held', status: 409, body: heldBody(remainingMs) }
}

test.each<[string, Partial<LeaseRequest>, Partial<LeaseRecord> | undefined, number, unknown]>([
  ['nothing recorded', {}, undefined, 0, 'granted'],
  ['a lower epoch, of another', { epoch: 4 }, {}, 0, stale],
  ['a lower epoch, of the holder', { epoch: 4, candidate: 'orc-1' }, {}, 0, stale],
  ['a lower epoch, to take over', { epoch: 4, takeover: true }, {}, LEASE_MS, stale],
  ['the same epoch, of the holder', { epoch: 5, candidate: 'orc-1' }, {}, 0, 'renewed'],
  ['the same epoch, of the holder whose lease is over', { epoch: 5, candidate: 'orc-1' }, {}, LEASE_MS, 'renewed'],
  ['the same epoch, of another', { epoch: 5 }, {}, 1_000, heldFor(2_000)],
  ['the same epoch, of another, to take over', { epoch: 5, takeover: true }, {}, 0, heldFor(3_000)],
  ['the same epoch, of another, and the lease is over', { epoch: 5 }, {}, LEASE_MS, heldFor(0)],
  ['the same epoch, of another, and the lease was released', { epoch: 5 }, { released: true }, 0, heldFor(0)],
  ['a higher epoch, and the lease is over', {}, {}, LEASE_MS, 'granted'],
  ['a higher epoch, and the lease was released', {}, { released: true }, 0, 'granted'],
  ['a higher epoch, of the holder', { candidate: 'orc-1' }, {}, 0, 'granted'],
  ['a higher epoch, to take over', { takeover: true }, {}, 0, 'granted'],
  ['a higher epoch, and the lease of another runs', {}, {}, 0, heldFor(3_000)],
  ['a higher epoch, and the lease of another runs for 1 ms', {}, {}, LEASE_MS - 1, heldFor(1)],
])('%s', async (_, request, recorded, passedMs, expected) => {
  const { voter, written } = await voterWith(recorded && { ...held, ...recorded }, passedMs)
  const given = { ...asked, ...request }

  expect(refusalOf(voter, given)).toEqual(expected)
  const record = { epoch: given.epoch, holder: given.candidate, leaseMs: LEASE_MS, released: false }
  expect(written).toEqual(expected === 'granted' ? [record] : [])
})

test('what it cannot write it does not grant, and asked again it still has not', async () => {
  const { voter } = await voterWith(held, LEASE_MS, false)

  expect(() => voter.decide(asked)).toThrow(RangeError)
  expect(voter.known).toBe(5)
  expect(voter.record).toEqual(held)
  const { voter: other } = await voterWith(held, LEASE_MS)
  expect(refusalOf(other, asked)).toBe('granted')
})

test('after a restart a lease runs for all of its time, however long ago it was granted', async () => {
  const { voter } = await voterWith(held, LEASE_MS - 1)

  expect(refusalOf(voter, asked)).toEqual(heldFor(1))
})

test('a lease runs from its last renewal', async () => {
  const { voter, world } = await voterWith(held, 2_000)
  voter.decide({ ...asked, epoch: 5, candidate: 'orc-1' })
  await world.advance(2_000)

  expect(refusalOf(voter, asked)).toEqual(heldFor(1_000))
  await world.advance(1_000)
  expect(refusalOf(voter, asked)).toBe('granted')
})

test('only the holder releases its lease, and only that of its epoch', async () => {
  const { voter, written } = await voterWith(held)
  voter.release({ candidate: 'orc-3', epoch: 5 })
  voter.release({ candidate: 'orc-1', epoch: 4 })
  expect(written).toEqual([])
  expect(refusalOf(voter, asked)).toEqual(heldFor(3_000))

  voter.release({ candidate: 'orc-1', epoch: 5 })
  expect(written).toEqual([{ ...held, released: true }])
  expect(refusalOf(voter, asked)).toBe('granted')
})

test('an epoch that it hears of counts as one that it has recorded, and is told once', async () => {
  const { voter, epochs } = await voterWith(held, LEASE_MS)
  voter.learn(9)
  voter.learn(9)
  voter.learn(3)

  expect(voter.known).toBe(9)
  expect(epochs).toEqual([9])
  expect(refusalOf(voter, { ...asked, epoch: 8 })).toEqual({ ...stale, body: { error: 'stale_epoch', epoch: 9 } })
  expect(refusalOf(voter, { ...asked, epoch: 9 })).toBe('granted')
})
