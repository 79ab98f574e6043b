import { availableParallelism } from 'node:os'

/** Programs that start at the same time take it from each other; beyond this many, each would only be ready later. */
const AT_ONCE = Math.max(2, availableParallelism())
/** Whoever is not ready by then may wait for one that has not had its turn. */
const LONGEST_MS = 10_000

const waiting: (() => void)[] = []
let starting = 0

/** Resolves when there is room for one more program that starts; what it resolves with gives the room back, as time does. */
export async function startTurn(): Promise<() => void> {
  if (starting < AT_ONCE) starting += 1
  else await new Promise<void>((resolve) => waiting.push(resolve))
  const timer = setTimeout(() => done(), LONGEST_MS).unref()
  let isDone = false
  const done = (): void => {
    if (isDone) return
    isDone = true
    clearTimeout(timer)
    const next = waiting.shift()
    if (next === undefined) starting -= 1
    else next()
  }
  return done
}
