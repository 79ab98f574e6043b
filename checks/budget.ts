import { relative } from 'node:path'
import type { Count } from './count-reporter.ts'
import { systemOf, systems } from './systems.ts'

/**
 * CPU time that all scenario files of a system may use together, in seconds, with what was measured (on two busy cores) when it was set. CPU time, since
 * a loaded machine makes a file take several times as long and compute hardly more; and waiting costs nothing, as files that wait run
 * beside others. What is over has grown by half: make it cheaper, or set the budget anew and say in the commit what for.
 */
export const budgets: Readonly<Record<string, { readonly measured: number; readonly seconds: number }>> = {
  controls: { measured: 134, seconds: 201 },
  federation: { measured: 569, seconds: 854 },
  nats: { measured: 280, seconds: 420 },
  peering: { measured: 408, seconds: 612 },
}

export interface Spent {
  /** A line for each system that ran. */
  readonly lines: readonly string[]
  readonly mistakes: readonly string[]
}

/** What the systems used, by the files that ran whole; undefined where this machine does not say. */
export function spentBy(cpu: Count['cpu'], root: string, budget = budgets, known = systems()): Spent | undefined {
  if (cpu.length === 0) return undefined
  const used = Object.entries(Object.groupBy(cpu, ({ file }) => systemOf(relative(root, file)) ?? ''))
  const sums = used.flatMap(([system, files = []]) =>
    system === '' ? [] : [{ system, seconds: files.reduce((sum, { seconds }) => sum + seconds, 0) }],
  )
  return {
    lines: sums.map(({ system, seconds }) => `${system} ${seconds.toFixed(0)} of ${budget[system]?.seconds ?? 0} s`),
    mistakes: [
      ...known.filter((system) => budget[system] === undefined).map((system) => `system ${system} has no budget`),
      ...Object.keys(budget)
        .filter((system) => !known.includes(system))
        .map((system) => `there is a budget and no system ${system}`),
      ...sums
        .filter(({ system, seconds }) => seconds > (budget[system]?.seconds ?? Number.POSITIVE_INFINITY))
        .map(
          ({ system, seconds }) => `${system} used ${seconds.toFixed(0)} s of CPU time; ${dearest(cpu, root, system)}`,
        ),
    ],
  }
}

function dearest(cpu: Count['cpu'], root: string, system: string): string {
  const files = cpu.filter(({ file }) => systemOf(relative(root, file)) === system)
  const [first, second, third] = files.toSorted((a, b) => b.seconds - a.seconds)
  const named = [first, second, third].flatMap((one) =>
    one ? [`${relative(root, one.file)} ${one.seconds.toFixed(0)} s`] : [],
  )
  return `most of it: ${named.join(', ')}`
}
