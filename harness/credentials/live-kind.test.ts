import { expect, test } from 'vitest'
import { callParts, credentialKinds } from '../shipped.ts'

const { live } = await callParts()

test.each(credentialKinds.map((kind) => [kind.name, kind] as const))(
  'each state of %s can be made, and no other',
  (name, kind) => {
    const { spoil, part, forGood = {} } = live.get(name)!
    const { fresh: _, ...spoiled } = kind.states
    expect(Object.keys(spoil).sort()).toEqual(Object.keys(spoiled).sort())
    expect(part).toBe(kind.part)
    const ending = Object.entries(spoiled).filter(([, state]) => state.forGood !== undefined)
    expect(Object.keys(forGood)).toEqual(ending.map(([state]) => state))
  },
)
