import { once } from 'node:events'
import { join } from 'node:path'
import { forkOn } from '../fork.ts'
import type { Order, Work } from './client.ts'

/** Clients of a broker, in a process of their own. One order at a time. */
export interface Clients extends AsyncDisposable {
  ask<Name extends keyof Work>(name: Name, ...args: Parameters<Work[Name]>): ReturnType<Work[Name]>
}

export function startClients(hosts: string): Clients {
  const child = forkOn(join(import.meta.dirname, 'client.ts'), hosts)
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the clients ended with ${code}`)))
  ended.catch(() => {})
  const ask = async (order: Order): Promise<unknown> => {
    child.send(order)
    const answered = once(child, 'message')
    const [{ result, failure }] = (await Promise.race([answered, ended])) as [{ result?: unknown; failure?: string }]
    if (failure !== undefined) throw new Error(failure)
    return result
  }
  return {
    ask: ((name, ...args) => ask({ name, args })) as Clients['ask'],
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill()
      await once(child, 'exit')
    },
  }
}
