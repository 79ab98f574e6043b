import type { SiteEvent } from '../evidence/event.ts'
import type { Plan, UnitRef } from '../topology/plan.ts'

interface UnitState {
  phase: 'waiting' | 'ready' | 'failed' | 'ended'
  pid?: number
  /** Why it failed, or how it ended. */
  message?: string
  /** Told at every change. */
  listeners: Set<(state: UnitState) => void>
}

const waiting = { phase: 'waiting' } as const
const onDemand = { phase: 'ended', message: 'it is run on demand' } as const

/** Where every unit of a site stands, as its agents report it. */
export class UnitStates {
  readonly timings = new Map<UnitRef, number>()
  readonly #states = new Map<UnitRef, UnitState>()
  readonly #left = new Set<UnitRef>()
  readonly #everyone = Promise.withResolvers<void>()
  /** Resolves once every unit that starts with its node has been ready. */
  readonly allReady = this.#everyone.promise

  constructor(plan: Plan) {
    for (const node of Object.values(plan.nodes)) {
      for (const { name, start } of node.units) {
        const ref = `${node.name}/${name}`
        const state = start === undefined ? waiting : onDemand
        this.#states.set(ref, { ...state, listeners: new Set() })
        if (state === waiting) this.#left.add(ref)
      }
    }
    if (this.#left.size === 0) this.#everyone.resolve()
  }

  apply(event: SiteEvent): void {
    if (event.event === 'agent-gone') this.#gone(event.node)
    if (!('unit' in event)) return
    const ref = `${event.node}/${event.unit}`
    const state = this.#states.get(ref)
    if (state === undefined) return
    if (event.event === 'unit-started') Object.assign(state, { phase: 'waiting', pid: event.pid })
    else if (event.event === 'unit-ready') this.#ready(ref, state, event.ms)
    else if (event.event === 'unit-failed') Object.assign(state, { phase: 'failed', message: event.message })
    else if (event.event === 'unit-exited') this.#exited(state, event)
    else return
    for (const listener of state.listeners) listener(state)
  }

  #ready(ref: UnitRef, state: UnitState, ms: number): void {
    state.phase = 'ready'
    this.timings.set(ref, ms)
    if (this.#left.delete(ref) && this.#left.size === 0) this.#everyone.resolve()
  }

  #exited(state: UnitState, event: Extract<SiteEvent, { event: 'unit-exited' }>): void {
    state.pid = undefined
    if (state.phase === 'failed') return
    state.phase = 'ended'
    state.message = `it ended (${event.signal ?? `code ${event.code}`})`
  }

  /** What ran on a node ended with its agent; what is done stays done. */
  #gone(node: string): void {
    for (const [ref, state] of this.#states) {
      if (!ref.startsWith(`${node}/`) || state.pid === undefined) continue
      Object.assign(state, { phase: 'ended', pid: undefined, message: 'its agent is gone' })
      for (const listener of state.listeners) listener(state)
    }
  }

  /** Calls `listener` at once and at every change of the unit, until the returned function is called. */
  watch(ref: UnitRef, listener: (state: UnitState) => void): () => void {
    const state = this.#states.get(ref)!
    state.listeners.add(listener)
    listener(state)
    return () => state.listeners.delete(listener)
  }

  /** What of a node has been ready. */
  everReady(node: string): UnitRef[] {
    return [...this.timings.keys()].filter((ref) => ref.startsWith(`${node}/`))
  }

  readyRefs(): UnitRef[] {
    return [...this.#states].filter(([, state]) => state.phase === 'ready').map(([ref]) => ref)
  }

  /** Main processes of the units that run on a node. */
  runningPids(node: string): number[] {
    return [...this.#states].flatMap(([ref, { pid }]) => (ref.startsWith(`${node}/`) && pid !== undefined ? [pid] : []))
  }
}
