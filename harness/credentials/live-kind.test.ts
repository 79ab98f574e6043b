import { describe, expect, test } from 'vitest'
import { callParts, credentialKinds } from '../shipped.ts'
import { kindsTaken, type LiveKinds } from './live-kind.ts'

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

describe('of kinds that are presented as the same part', () => {
  const kinds = new Map([
    ['pass', { part: 'certificate' }],
    ['badge', { part: 'certificate' }],
    ['ticket', { part: 'token' }],
  ]) as unknown as LiveKinds
  const taken = (...takes: string[][]) => [...kindsTaken(kinds, { takes }).keys()]

  test.each([
    ['the one that an action takes', [['badge', 'ticket']], ['badge', 'ticket']],
    ['the first that it takes, of several', [['badge'], ['pass']], ['badge', 'ticket']],
    ['the first of all where it takes none of them', [['ticket']], ['pass', 'ticket']],
  ])('%s is what a call is read by', (_, takes, expected) => expect(taken(...takes)).toEqual(expected))

  test('the first of all counts where a target says nothing of how it judges', () => {
    expect([...kindsTaken(kinds).keys()]).toEqual(['pass', 'ticket'])
  })
})
