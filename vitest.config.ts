import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './checks/longest-first.ts'
import { waitingFiles } from './checks/waiting.ts'
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

const scenarios = {
  ...node,
  // So that scenarios which move clocks can move their own; the nodes of all others go by the machine's.
  env: { ...ownClockEnvironment(), HOLDFAST_SHARE_SITES: '1' },
  // Starting a site may build a program first.
  testTimeout: 180_000,
  hookTimeout: 300_000,
}
const waiting = waitingFiles()
const cores = availableParallelism()

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['holdfast-source', 'node'] } },
  test: {
    // One less than there are cores is vitest's own choice. Tests wait for their nodes, each project for its own share of the time: these
    // are what keeps both at work where there are two. `checks/count-reporter.ts` tells the CPU time of each file.
    maxWorkers: Math.max(3, cores - 1),
    teardownTimeout: 30_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          ...node,
          name: 'unit',
          include: ['{harness,services,scenarios,checks,bench}/**/*.test.ts', '*.test.ts'],
          exclude: ['checks/nix/**', 'harness/backends/vm/vm.test.ts'],
          // They compute for a quarter of their time; beside them runs a check that uses a core for a third of it.
          maxWorkers: cores + 3,
          sequence: { groupOrder: 5 },
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          ...node,
          // What evaluates and builds the flake: a process of Nix takes a core, and scenarios run in its sandbox.
          name: 'nix',
          include: ['checks/nix/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
          // On a machine that does much else, one evaluation has taken a minute.
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          ...node,
          // Machines whose code may be translated: they take both cores while they start, and measure nothing but clocks.
          name: 'vm',
          include: ['harness/backends/vm/vm.test.ts'],
          sequence: { groupOrder: 4 },
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: {
          ...node,
          // What costs minutes and is none of the claims: npm run soak.
          name: 'soak',
          include: ['{harness,bench,scenarios,checks}/**/*.soak.ts'],
          sequence: { groupOrder: 6 },
          // As for scenarios; a stack that is built the first time fetches its packages.
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          ...scenarios,
          name: 'scenarios',
          include: ['scenarios/**/*.scenario.ts'],
          exclude: waiting,
        },
      },
      {
        extends: true,
        test: {
          ...scenarios,
          name: 'waiting',
          include: waiting,
          // They use little of a core, and have ended long before those that compute, so more of them would only launch at once. Projects
          // with different numbers of workers run one after the other in one vitest; npm test runs these two side by side, in two.
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          ...scenarios,
          // On the ground that HOLDFAST_BACKEND and HOLDFAST_SEATS name: checks/parity.ts holds what it sees against the other projects.
          name: 'parity',
          include: ['scenarios/**/*.scenario.ts'],
          // Gateways of others are proven in topologies of their own, none of which ships. What a thousand sockets measure is how busy the
          // machine is, where each of them goes through an agent.
          exclude: ['scenarios/controls/**', 'scenarios/peering/idle-sockets-keep-nobody-waiting/**'],
          runner: 'checks/parity-set.ts',
          // Sites on another ground, each for a few calls, and of each file that waits its longest wait: a quarter is computing.
          maxWorkers: cores + 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
