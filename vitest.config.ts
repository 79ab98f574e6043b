import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { ownClockEnvironment } from './harness/faults/clock/own-clock.ts'

// The package imports itself by its own name (`holdfast/vitest`); under this condition that name leads to the sources.
const conditions = ['holdfast-source', 'module', 'node', 'development|production']
const node = {
  pool: 'forks' as const,
  // One worker for many files: to start it and to load packages took longer than most files do.
  isolate: false,
  setupFiles: ['checks/file-of-its-own.ts'],
  execArgv: ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning'],
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['holdfast-source', 'node'] } },
  test: {
    // One less than there are cores is vitest's own choice. Tests wait for their nodes half of the time, so on two cores three of
    // them are what keeps both at work.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    teardownTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          ...node,
          name: 'unit',
          include: ['{harness,services,scenarios,checks,bench}/**/*.test.ts', '*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          ...node,
          name: 'scenarios',
          // So that scenarios which move clocks can move their own; the nodes of all others go by the machine's.
          env: ownClockEnvironment(),
          include: ['scenarios/**/*.scenario.ts'],
          // A site per file, files side by side: starting one may build a program first.
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          ...node,
          name: 'seats',
          // Tests call and listen through the agents, as on backends whose addresses this machine does not have.
          env: { ...ownClockEnvironment(), HOLDFAST_SEATS: 'agent' },
          include: ['scenarios/peering/**/*.scenario.ts'],
          runner: 'checks/first-of-each.ts',
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
