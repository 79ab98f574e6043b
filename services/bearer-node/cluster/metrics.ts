import type { RunState } from './run-record.ts'

/** Text of the Prometheus exposition format, version 0.0.4. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface Measured {
  readonly node: string
  readonly isLeading: boolean
  readonly hasLeader: boolean
  readonly epoch: number
  readonly peers: readonly { readonly id: string; readonly reachable: boolean }[]
  readonly runs: Readonly<Record<RunState, number>>
  readonly stagesRunning: number
  readonly eventStreams: number
  readonly counters: Readonly<Record<Counter, number>>
}

export type Counter = 'leases_granted' | 'terms_won' | 'runs_acknowledged' | 'calls_forwarded'

const COUNTERS: Readonly<Record<Counter, string>> = {
  leases_granted: 'Leases that this voter granted, renewals left out.',
  terms_won: 'How often this node came to lead.',
  runs_acknowledged: 'Runs that this node acknowledged as leader.',
  calls_forwarded: 'Calls that this node handed on to the leader.',
}

export function metricsText(measured: Measured): string {
  const lines: string[] = []
  const put = (name: string, type: string, help: string, values: readonly [labels: string, value: number][]): void => {
    lines.push(`# HELP bearer_${name} ${help}`, `# TYPE bearer_${name} ${type}`)
    for (const [labels, value] of values) lines.push(`bearer_${name}${labels} ${value}`)
  }
  put('leading', 'gauge', 'Whether this node leads.', [['', Number(measured.isLeading)]])
  put('has_leader', 'gauge', 'Whether this node knows a leader.', [['', Number(measured.hasLeader)]])
  put('epoch', 'gauge', 'The highest epoch that this node knows.', [['', measured.epoch]])
  put(
    ...(['peer_reachable', 'gauge', 'Whether a peer answers.'] as const),
    measured.peers.map(({ id, reachable }) => [`{peer="${id}"}`, Number(reachable)]),
  )
  put(
    ...(['runs', 'gauge', 'Runs that this node has a record of, by state.'] as const),
    Object.entries(measured.runs).map(([state, count]) => [`{state="${state}"}`, count]),
  )
  put('stages_running', 'gauge', 'Stages that run on this node.', [['', measured.stagesRunning]])
  put('event_streams', 'gauge', 'Streams of events that are open.', [['', measured.eventStreams]])
  for (const [name, help] of Object.entries(COUNTERS)) {
    put(`${name}_total`, 'counter', help, [['', measured.counters[name as Counter]]])
  }
  return `${lines.join('\n')}\n`
}
