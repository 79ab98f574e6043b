import { expect, test } from 'vitest'
import { checkHistory } from './check-history.ts'
import { grantsInLog, type HistoryEvent } from './history.ts'

const expected = { voters: 3, nodes: ['n1', 'n2'], mayOverlap: false }

const granted = (voter: string, epoch: number, holder: string): HistoryEvent => ({
  ...{ type: 'granted', voter, epoch, holder },
})
const final = (node: string, state = 'succeeded', run = 'r1'): HistoryEvent => ({ type: 'final', node, run, state })
const acknowledged: HistoryEvent = { type: 'acknowledged', key: 'k', run: 'r1', by: 'n1' }
const good = [
  ...[granted('n1', 1, 'n1'), granted('n2', 1, 'n1'), granted('n3', 1, 'n3')],
  ...[granted('n3', 2, 'n3'), granted('n2', 2, 'n3'), granted('n2', 2, 'n3')],
  { type: 'leaders', leaders: [{ node: 'n1', epoch: 1 }] } as const,
  ...[acknowledged, { ...acknowledged, by: 'n2' }],
  { type: 'ended', run: 'r1', state: 'succeeded', by: 'n2' } as const,
  ...[final('n1'), final('n2')],
]

const problems = (events: readonly HistoryEvent[], more = {}) => {
  return checkHistory(
    events.map((event, at) => ({ at, ...event })),
    { ...expected, ...more },
  )
}

test('a history that keeps all promises has no problem', () => {
  expect(problems(good)).toEqual([])
})

test.each<[string, readonly HistoryEvent[], RegExp]>([
  [
    'two majorities for one epoch',
    [...good, granted('n1', 2, 'n1'), granted('n2', 2, 'n1')],
    /^epoch 2 has majorities for n3 and n1$/,
  ],
  ['a voter with two words', [...good, granted('n3', 1, 'n1')], /^n3 granted epoch 1 to n3 and n1$/],
  [
    'two leaders at once',
    [
      ...good,
      {
        type: 'leaders',
        leaders: [
          { node: 'n1', epoch: 1 },
          { node: 'n3', epoch: 2 },
        ],
      },
    ],
    /^at 12 led n1 \(1\) and n3 \(2\)$/,
  ],
  [
    'two ends',
    [...good, { type: 'ended', run: 'r1', state: 'failed', by: 'n1' }],
    /^run r1 ended as succeeded and failed$/,
  ],
  [
    'no end',
    good.map((event) => ('state' in event ? { ...event, state: 'running' } : event)),
    /^run r1 ended as running$/,
  ],
  ['a lost run', good.slice(0, -1), /^run r1 was acknowledged, and is lost on n2$/],
  ['one key, two runs', [...good, { ...acknowledged, run: 'r2' }], /^key k was acknowledged as r1 and r2$/],
  [
    'two stories',
    [...good, final('n1', 'queued', 'r9'), final('n2', 'failed', 'r9')],
    /^run r9 is queued on n1, failed on n2$/,
  ],
  ['half a story', [...good, final('n1', 'failed', 'r9')], /^run r9 is failed on n1$/],
])('%s is found', (_, events, sentence) => {
  expect(problems(events)).toContainEqual(expect.stringMatching(sentence))
})

test('where a lease is handed over two may believe for a moment that they lead', () => {
  const both = {
    type: 'leaders',
    leaders: [
      { node: 'n1', epoch: 1 },
      { node: 'n3', epoch: 2 },
    ],
  } as const

  expect(problems([...good, both], { mayOverlap: true })).toEqual([])
})

test('grants are read from the log of a node', () => {
  const lines = [
    '{"ts":"2030-01-01T00:00:00.005Z","level":"info","event":"lease-granted","epoch":3,"holder":"orc-1"}',
    '{"ts":"2030-01-01T00:00:00.006Z","level":"info","event":"leader-elected","epoch":3}',
    'no JSON',
  ]
  expect(grantsInLog('orc-2', lines)).toEqual([
    { at: Date.UTC(2030, 0, 1) + 5, type: 'granted', voter: 'orc-2', epoch: 3, holder: 'orc-1' },
  ])
})
