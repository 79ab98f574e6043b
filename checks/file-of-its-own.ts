import { afterAll, vi } from 'vitest'

// Files share the process of a worker, and what it has loaded of packages; nothing else goes from one to the next: its modules of
// Holdfast are its own (guards, once declared, are), and so are its environment, with it the clock of the process, and its timers.
vi.resetModules()
const environment = { ...process.env }

afterAll(() => {
  vi.useRealTimers()
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name]
  Object.assign(process.env, environment)
})
