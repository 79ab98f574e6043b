// Makes a NATS operator by the same calls of nsc that the setup makes, starts the broker and pushes, one after the other: no agents, no
// checks, no orchestrator, and certificates that lie there already. It is what `holdfast up nats-orchestrator` is measured against.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Configuration } from '../../services/nats-setup/config.ts'
import { nscFolder } from '../../services/nats-setup/layout.ts'
import { Nsc } from '../../services/nats-setup/nsc.ts'
import { writeOutputs } from '../../services/nats-setup/outputs.ts'
import { makeStore } from '../../services/nats-setup/store.ts'
import type { BareUnit } from '../up-to-ready/bare.ts'

export interface BareStart {
  readonly configuration: Configuration
  readonly server: BareUnit
  /** By which nsc finds the host of the broker. */
  readonly hosts: string
}

/** One call after the other, as a script has them. */
class InTurn extends Nsc {
  #before: Promise<unknown> = Promise.resolve()

  override run(args: readonly string[]): Promise<string> {
    const next = this.#before.then(() => super.run(args))
    this.#before = next.catch(() => {})
    return next
  }
}

const { configuration, server, hosts } = JSON.parse(await readFile(process.argv[2]!, 'utf8')) as BareStart
process.env.HOLDFAST_HOSTS = hosts
let broker: ChildProcess | undefined
try {
  const nsc = new InTurn(configuration.nsc, nscFolder(configuration))
  await mkdir(nscFolder(configuration), { recursive: true, mode: 0o700 })
  await makeStore(nsc, configuration)
  await writeOutputs(nsc, configuration)
  broker = await started(server)
  await push(nsc, configuration)
  process.stdout.write('{}\n')
  await once(process.stdin.resume(), 'end')
} finally {
  broker?.kill('SIGKILL')
}

async function started({ files, folder, service }: BareUnit): Promise<ChildProcess> {
  for (const { path, text } of files) await writeFile(path, text, { mode: 0o600 })
  const { argv, env, ready } = service!
  const child = spawn(argv[0]!, argv.slice(1), { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] })
  if (!('url' in ready)) throw new Error('the broker is asked over HTTP whether it is ready')
  const isReady = () =>
    fetch(ready.url).then(
      ({ status }) => ready.expect.includes(status),
      () => false,
    )
  for (const end = performance.now() + 20_000; !(await isReady()); await wait(2)) {
    if (performance.now() > end) throw new Error('the broker was not ready')
  }
  return child
}

async function push(nsc: Nsc, { broker: at }: Configuration): Promise<void> {
  const { url, ca, cert, key, timeoutSeconds } = at!
  const to = ['--account-jwt-server-url', url.replace(/^tls:/, 'nats:'), '--timeout', String(timeoutSeconds ?? 1)]
  await nsc.run(['push', '-A', ...to, '--ca-cert', ca, '--client-cert', cert, '--client-key', key])
}
