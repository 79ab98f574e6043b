import { afterAll, vi } from 'vitest'
import { cpuSeconds } from './cpu-time.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** CPU time of a file, with all programs that it started, in seconds. */
    cpuSeconds?: number
  }
}

// Files share the process of a worker, and what it has loaded of packages; nothing else goes from one to the next: its modules of
// Holdfast are its own (guards, once declared, are), and so are its environment, with it the clock of the process, and its timers.
vi.resetModules()
const environment = { ...process.env }
const began = cpuSeconds()

// biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures from it.
afterAll(({}, { file }) => {
  const ended = cpuSeconds()
  if (began !== undefined && ended !== undefined) file.meta.cpuSeconds = ended - began
  vi.useRealTimers()
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name]
  Object.assign(process.env, environment)
})
