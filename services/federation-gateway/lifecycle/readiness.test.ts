import { expect, test } from 'vitest'
import { StoreUnavailable } from '../storage/unavailable.ts'
import { readinessOf } from './readiness.ts'

const answering = { query: async () => [] }
const lost = { query: () => Promise.reject(new StoreUnavailable('gateway', new Error('timeout'))) }
const broken = { query: () => Promise.reject(new TypeError('a fault of ours')) }
const federating = (problem?: 'crl_missing' | 'crl_stale', isOpen = true) => ({
  keeper: { problem },
  listener: { isOpen },
})

test.each([
  ['nothing is wrong', answering, federating(), undefined],
  ['there is no federation', answering, undefined, undefined],
  ['there is no list', answering, federating('crl_missing', false), 'crl_missing'],
  ['the list is over', answering, federating('crl_stale'), 'crl_stale'],
  ['the listener of peers is not open yet', answering, federating(undefined, false), 'federation_closed'],
  ['the database is lost', lost, federating(), 'database_unavailable'],
  ['the database is lost in a tier without federation', lost, undefined, 'database_unavailable'],
])('where %s, that is what it says', async (_, database, given, reason) => {
  expect(await readinessOf({ database }, given)()).toBe(reason)
})

test('a fault of our own is not taken for one of the database', async () => {
  await expect(readinessOf({ database: broken })()).rejects.toThrow(TypeError)
})
