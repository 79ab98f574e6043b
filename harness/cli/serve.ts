import { once } from 'node:events'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { HoldfastError } from '../errors.ts'
import { interruptible } from './interruption.ts'
import { printPhase } from './output.ts'

export interface ServeOptions {
  listen: string
  key: string
  dir: string
}

/** What `--listen` names is no place to listen at. Code `HOLDFAST_LISTEN_INVALID`. */
class ListenInvalid extends HoldfastError {
  constructor(listen: string) {
    super('HOLDFAST_LISTEN_INVALID', `--listen is "${listen}"; write ADDRESS:PORT, such as 192.0.2.7:7780`)
  }
}

/** Serves the agent of this machine until it is interrupted. */
export async function serve({ listen, key, dir }: ServeOptions): Promise<void> {
  const { address, port } = placeOf(listen)
  const [{ readKey }, { serveMachine }] = await Promise.all([
    import('../backends/machines/key-stream.ts'),
    import('../backends/machines/serve.ts'),
  ])
  await using serving = await serveMachine({ address, port, key: await readKey(key), dir: resolve(dir) })
  printPhase('done', 'serving', `${address}:${serving.port}, for whoever has the key in ${key}`)
  await interruptible(async (signal) => {
    if (!signal.aborted) await once(signal, 'abort')
  })
}

function placeOf(listen: string): { address: string; port: number } {
  const [, bracketed, plain, text = ''] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? []
  const [address, port] = [bracketed ?? plain ?? '', Number(text)]
  if (isIP(address) === 0 || port > 65_535) throw new ListenInvalid(listen)
  return { address, port }
}
