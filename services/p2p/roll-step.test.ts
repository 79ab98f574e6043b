import { expect, test } from 'vitest'
import { adviceFor, type NodeTokens } from './roll-step.ts'

const [OLD, NEW, FOREIGN] = ['0ld00000', 'new00000', 'f0re1900']
const before = { sends: OLD, accepts: [OLD] }
const begun = { sends: OLD, accepts: [OLD, NEW] }
const switched = { sends: NEW, accepts: [NEW, OLD] }
const ended = { sends: NEW, accepts: [NEW] }

type Stage = Omit<NodeTokens, 'id'>

function advice(stages: readonly Stage[], { next, unknown = [] }: { next?: string; unknown?: string[] } = {}) {
  const nodes = stages.map((stage, at) => ({ id: `orc-${at + 1}`, ...stage }))
  return adviceFor({ nodes, unknown, next })
}

test.each<[string, Stage[], string, string[]]>([
  ['none has begun', [before, before], 'begin', ['orc-1', 'orc-2']],
  ['one has begun', [begun, before], 'begin', ['orc-2']],
  ['all have begun', [begun, begun], 'switch', ['orc-1', 'orc-2']],
  ['one has switched', [switched, begun], 'switch', ['orc-2']],
  ['all have switched', [switched, switched], 'end', ['orc-1', 'orc-2']],
  ['one has ended', [ended, switched], 'end', ['orc-2']],
  ['all have ended', [ended, ended], 'begin', ['orc-1', 'orc-2']],
])('in a roll in which %s, the next step refuses nobody', (_, stages, step, on) => {
  expect(advice(stages, { next: NEW })).toMatchObject({ refused: [], step, on })
})

test.each<[string, Stage[], string, string[]]>([
  ['one has switched, and another does not accept the new token', [switched, before], 'begin', ['orc-2']],
  ['one has ended, and another sends the old token', [ended, begun], 'switch', ['orc-2']],
])('where %s, calls are refused, and the step that mends it is next', (_, [one, other], step, on) => {
  const { refused, ...rest } = advice([one!, other!], { next: NEW })
  expect(rest).toMatchObject({ step, on })
  expect(refused).toContainEqual(
    step === 'begin'
      ? { sender: 'orc-1', receiver: 'orc-2', ref: NEW }
      : { sender: 'orc-2', receiver: 'orc-1', ref: OLD },
  )
})

test('a node of which nothing is known keeps the others from sending what it may refuse, and not from accepting more', () => {
  const unknown = ['orc-9']
  const of = (stages: Stage[]) => advice(stages, { next: NEW, unknown })
  expect(of([begun, before])).toMatchObject({ step: 'begin', on: ['orc-2'] })
  for (const stages of [
    [begun, begun],
    [switched, switched],
    [ended, ended],
  ]) {
    expect(of(stages)).toMatchObject({ step: 'none', because: 'it is not known what orc-9 sends and accepts' })
  }
})

test('who has another token refuses and is refused, each way once, and no step of a roll mends that', () => {
  const foreign = { sends: FOREIGN, accepts: [FOREIGN] }
  const { refused, step, because } = advice([begun, foreign], { next: NEW })
  expect(refused).toEqual([
    { sender: 'orc-1', receiver: 'orc-2', ref: OLD },
    { sender: 'orc-2', receiver: 'orc-1', ref: FOREIGN },
  ])
  expect({ step, because }).toEqual({ step: 'none', because: expect.stringContaining('there are 3 tokens') })
})

test('without a word on which is the new one, both readings are told, and none is taken', () => {
  const { step, because } = advice([switched, switched])
  expect(step).toBe('none')
  expect(because).toBe(
    `if ${NEW} is the new token: end on orc-1, orc-2; if ${OLD} is the new token: switch on orc-1, orc-2; say which it is by --new-token-file`,
  )
  expect(advice([before, ended]).because).toContain('say by --new-token-file to which token the roll leads')
})

test('a new token that nobody accepts while two others are is of another roll', () => {
  expect(advice([begun, begun], { next: FOREIGN }).because).toContain('another roll is under way')
})
