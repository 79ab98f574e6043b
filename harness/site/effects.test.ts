import { expect, test } from 'vitest'
import { firstLook } from './effects.ts'

test('who is held off for a moment looks again', async () => {
  let looks = 0
  const busyAtFirst = async () => {
    looks += 1
    if (looks === 1) throw new Error('no place')
    return { peers: [] }
  }

  expect(await firstLook(busyAtFirst)).toEqual({ peers: [] })
  expect(looks).toBe(2)
})

test('why a target could not be seen within a second is what it said last', async () => {
  let looks = 0
  const busy = async () => {
    looks += 1
    throw new Error(`no place, ${looks}`)
  }

  const seen = await firstLook(busy)
  expect(seen).toEqual(new Error(`no place, ${looks}`))
  expect(looks).toBeGreaterThan(1)
})
