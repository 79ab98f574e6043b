import { once } from 'node:events'
import { join } from 'node:path'
import type { LenderConfig } from './baselines/lender.ts'
import type { BaselineConfig } from './baselines/serve.ts'
import { forkOn } from './fork.ts'

export interface Baseline extends AsyncDisposable {
  port: number
}

/** Starts `baselines/<name>.ts`. `hosts`: the file by which it finds the hosts of a plan. */
export async function startBaseline(
  name: string,
  config: BaselineConfig | LenderConfig,
  hosts?: string,
): Promise<Baseline> {
  const child = forkOn(join(import.meta.dirname, 'baselines', `${name}.ts`), hosts)
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
