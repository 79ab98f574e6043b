import { expect, test } from 'vitest'
import { HandshakePlaces } from './handshake-places.ts'

function socket() {
  const made = { isDestroyed: false, destroy: () => made as never }
  made.destroy = () => {
    made.isDestroyed = true
    return made as never
  }
  return made
}

test('one address has some places, and a handshake that is over gives its own back', () => {
  const places = new HandshakePlaces({ most: 8, mostPerAddress: 2 })
  expect([1, 2, 3].map((port) => places.take('one', port, socket()))).toEqual([true, true, false])
  expect(places.take('other', 1, socket())).toBe(true)
  places.free('one', 1)
  places.free('one', 1)
  expect([3, 4].map((port) => places.take('one', port, socket()))).toEqual([true, false])
})

test('when all are taken, whoever holds the most gives up the oldest for one that holds less', () => {
  const places = new HandshakePlaces({ most: 4, mostPerAddress: 3 })
  const greedy = [socket(), socket(), socket()]
  greedy.forEach((one, port) => {
    places.take('greedy', port, one)
  })
  expect(places.take('modest', 1, socket())).toBe(true)

  expect(places.take('good', 1, socket())).toBe(true)

  expect(greedy.map(({ isDestroyed }) => isDestroyed)).toEqual([true, false, false])
  // Two are no more than what the newcomer would then hold, so that nobody loses a place for nothing.
  expect(places.take('modest', 2, socket())).toBe(false)
  expect(places.take('late', 1, socket())).toBe(true)
  expect(greedy.map(({ isDestroyed }) => isDestroyed)).toEqual([true, true, false])
  expect(places.take('later', 1, socket())).toBe(false)
})

test('addresses of one network of IPv6 have the places of one together, each its own', () => {
  const places = new HandshakePlaces({ most: 8, mostPerAddress: 2 })
  const [one, other] = ['2001:db8::1', '2001:db8::2']
  // From the same port, as nobody keeps them from it.
  expect([places.take(one, 1, socket()), places.take(other, 1, socket())]).toEqual([true, true])
  expect(places.take('2001:db8::3', 1, socket())).toBe(false)
  expect(places.take('2001:db8:0:1::1', 1, socket())).toBe(true)
  places.free(other, 1)
  places.free(other, 1)
  expect([places.take('2001:db8::3', 1, socket()), places.take('2001:db8::4', 1, socket())]).toEqual([true, false])
})
