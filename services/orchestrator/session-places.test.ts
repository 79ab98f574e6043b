import { expect, test } from 'vitest'
import { type SessionPlace, SessionPlaces } from './session-places.ts'

function taken(places: SessionPlaces, peer: string, count: number): SessionPlace[] {
  return Array.from({ length: count }, () => places.take(peer)).filter((place) => place !== undefined)
}

test('a peer has few sessions that it has not opened, whatever others have', () => {
  const places = new SessionPlaces(100)

  expect(taken(places, 'node-b', 40)).toHaveLength(4)
  expect(taken(places, 'node-c', 40)).toHaveLength(4)
})

test.each(['opened', 'free'] as const)('a place is there again once the session is %s, and once only', (over) => {
  const places = new SessionPlaces(100)
  const [first] = taken(places, 'node-b', 4)
  first?.[over]()
  first?.[over]()
  first?.free()

  expect(taken(places, 'node-b', 40)).toHaveLength(1)
})

test('sessions that opened count among all sessions', () => {
  const places = new SessionPlaces(2)
  const [first, second] = taken(places, 'node-b', 2)
  first?.opened()
  second?.opened()

  expect(places.take('node-c')).toBeUndefined()
  first?.free()
  first?.free()
  expect(taken(places, 'node-c', 2)).toHaveLength(1)
})
