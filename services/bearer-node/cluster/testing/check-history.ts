import { majorityOf } from '../membership.ts'
import type { HistoryEvent, Recorded } from './history.ts'

export interface Expectations {
  readonly voters: number
  /** All nodes whose final words are in the history. */
  readonly nodes: readonly string[]
  /** A lease was handed over, or clocks were let run apart: for a moment two nodes may believe that they lead. */
  readonly mayOverlap: boolean
}

/** What of a history breaks a promise, as sentences. None: it keeps all of them. */
export function checkHistory(events: readonly Recorded[], expected: Expectations): string[] {
  return [
    ...grantProblems(of(events, 'granted'), majorityOf(expected.voters)),
    ...(expected.mayOverlap ? [] : overlapProblems(of(events, 'leaders'))),
    ...runProblems(events, expected.nodes),
  ]
}

type Of<Type extends HistoryEvent['type']> = Recorded & { type: Type }

function of<Type extends HistoryEvent['type']>(events: readonly Recorded[], type: Type): Of<Type>[] {
  return events.filter((event): event is Of<Type> => event.type === type)
}

/** Never two majorities for one epoch; and no voter has two words, which would make them possible. */
function grantProblems(grants: readonly Of<'granted'>[], majority: number): string[] {
  const problems: string[] = []
  for (const [epoch, ofEpoch] of grouped(grants, ({ epoch }) => String(epoch))) {
    const won = [...grouped(ofEpoch, ({ holder }) => holder)]
      .filter(([, votes]) => new Set(votes.map(({ voter }) => voter)).size >= majority)
      .map(([holder]) => holder)
    if (won.length > 1) problems.push(`epoch ${epoch} has majorities for ${won.join(' and ')}`)
    for (const [voter, votes] of grouped(ofEpoch, ({ voter }) => voter)) {
      const holders = [...new Set(votes.map(({ holder }) => holder))]
      if (holders.length > 1) problems.push(`${voter} granted epoch ${epoch} to ${holders.join(' and ')}`)
    }
  }
  return problems
}

function overlapProblems(changes: readonly Of<'leaders'>[]): string[] {
  return changes
    .filter(({ leaders }) => leaders.length > 1)
    .map(({ at, leaders }) => `at ${at} led ${leaders.map(({ node, epoch }) => `${node} (${epoch})`).join(' and ')}`)
}

/** Every acknowledged run ends once, and none is lost; a key stands for one run. */
function runProblems(events: readonly Recorded[], nodes: readonly string[]): string[] {
  const problems: string[] = []
  const [acknowledged, ends, finals] = [of(events, 'acknowledged'), of(events, 'ended'), of(events, 'final')]
  for (const [key, of] of grouped(acknowledged, ({ key }) => key)) {
    const runs = [...new Set(of.map(({ run }) => run))]
    if (runs.length > 1) problems.push(`key ${key} was acknowledged as ${runs.join(' and ')}`)
  }
  for (const run of new Set(acknowledged.map((one) => one.run))) {
    const states = [...new Set([...ends, ...finals].filter((one) => one.run === run).map(({ state }) => state))]
    const hasEnded = states.every((state) => state !== 'queued' && state !== 'running')
    if (states.length !== 1 || !hasEnded) problems.push(`run ${run} ended as ${states.join(' and ') || 'nothing'}`)
    for (const node of nodes) {
      const isThere = finals.some((one) => one.node === node && one.run === run)
      if (!isThere) problems.push(`run ${run} was acknowledged, and is lost on ${node}`)
    }
  }
  return [...problems, ...differingProblems(finals, nodes)]
}

/** One history afterwards: all nodes say the same of all runs, acknowledged or not. */
function differingProblems(finals: readonly Of<'final'>[], nodes: readonly string[]): string[] {
  return [...grouped(finals, ({ run }) => run)]
    .filter(([, of]) => of.length !== nodes.length || new Set(of.map(({ state }) => state)).size > 1)
    .map(([run, of]) => `run ${run} is ${of.map(({ node, state }) => `${state} on ${node}`).join(', ')}`)
}

function grouped<Item>(items: readonly Item[], by: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(by(item), [...(groups.get(by(item)) ?? []), item])
  return groups
}
