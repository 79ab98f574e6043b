import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { BaselineConfig } from './baselines/serve.ts'

export interface Baseline extends AsyncDisposable {
  port: number
}

/** Starts `baselines/<name>.ts` in a process of its own, so that it shares no event loop with the load. */
export async function startBaseline(name: string, config: BaselineConfig): Promise<Baseline> {
  const child = fork(join(import.meta.dirname, 'baselines', `${name}.ts`), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // In a session of its own, as services are: Linux shares processor time out by session when there is too little of it.
    detached: true,
  })
  child.send(config)
  const [{ port }] = (await once(child, 'message', { signal: AbortSignal.timeout(20_000) })) as [{ port: number }]
  return {
    port,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return
      child.kill()
      await once(child, 'exit')
    },
  }
}
