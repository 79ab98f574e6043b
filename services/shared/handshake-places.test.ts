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
