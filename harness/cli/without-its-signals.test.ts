import { once } from 'node:events'
import { expect, test } from 'vitest'
import { withoutItsSignals } from './without-its-signals.ts'

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s is heard by whoever listened before, amid the work, too',
  async (signal) => {
    const heard: string[] = []
    const ours = () => heard.push('ours')
    const its = () => heard.push('its')
    process.on(signal, ours)
    try {
      const made = await withoutItsSignals(async () => {
        process.on(signal, its)
        process.once(signal, its)
        const came = once(process, 'SIGUSR2')
        process.kill(process.pid, signal)
        process.kill(process.pid, 'SIGUSR2')
        await came
        return 7
      })

      expect([made, heard]).toEqual([7, ['ours']])
      // Afterwards all may listen again.
      process.once(signal, its)
      expect(process.listeners(signal)).toContain(its)
    } finally {
      process.off(signal, ours).off(signal, its)
    }
  },
)
