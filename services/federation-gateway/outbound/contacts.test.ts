import { beforeEach, expect, test } from 'vitest'
import type { Statement } from '../storage/statement.ts'
import { Contacts } from './contacts.ts'

let now: number
let written: unknown[][]
let isLost: boolean
let contacts: Contacts

beforeEach(() => {
  now = 0
  written = []
  isLost = false
  const query = async ({ values }: Statement) => {
    await Promise.resolve()
    if (isLost) throw new Error('lost')
    written.push([...values])
    return []
  }
  contacts = new Contacts({ query } as never, () => now)
})

const note = (failure?: string) => contacts.note({ tenantId: 't', id: 'p', ...(failure !== undefined && { failure }) })

test('of contacts that went alike one in a second is written, and each that went otherwise', async () => {
  note()
  note()
  await contacts.settled()
  note('peer_timeout')
  note('peer_timeout')
  await contacts.settled()
  note()
  await contacts.settled()
  expect(written).toEqual([
    ['t', 'p'],
    ['peer_timeout', 't', 'p'],
    ['t', 'p'],
  ])
  now += 1_000
  note()
  await contacts.settled()
  expect(written).toHaveLength(4)
})

test('those that come while one is being written are told by the last of them', async () => {
  note()
  note('peer_timeout')
  note('peer_unreachable')
  await contacts.settled()
  expect(written.map((values) => values[0])).toEqual(['t', 'peer_unreachable'])
})

test('what could not be written is written the next time', async () => {
  isLost = true
  note()
  await contacts.settled()
  isLost = false
  note()
  await contacts.settled()
  expect(written).toHaveLength(1)
})
