import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeCommand, serviceMain } from '../harness/agent/command.ts'
import { programEnvironment, settings } from '../harness/settings.ts'
import { rendered } from '../harness/site/site-files.ts'
import { until } from '../harness/site/until.ts'
import { CURRENT_FILE, MANIFEST_FILE } from '../services/shared/nats/manifest.ts'
import type { Bench } from './main.ts'
import { compare, type Measure, median } from './measure.ts'
import { natsSite } from './nats/site.ts'

const rounds = 15
const allowedMs = 200

export const bench: Bench = {
  summary: 'intake of one generation, from the rename of its manifest until it is installed',
  async run() {
    await using nats = await natsSite({ callout: 'false' })
    const node = nats.site.node('orchestrator')
    const own = JSON.parse(await readFile(rendered(nats.site, node, '@{unit}/config.json', 'creds-intake'), 'utf8'))
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-intake-'))
    try {
      return [
        await measured('that waits for it', own, folder, 'before'),
        await measured('that is started for it', own, folder, 'after'),
      ]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

interface IntakeFile {
  readonly handover: { readonly folder: string }
  readonly credsDir: string
  readonly decisionLog: string
}

/** `starts`: before the manifest is there, or once it is, as a path unit starts one. */
async function measured(which: string, own: IntakeFile, folder: string, starts: 'before' | 'after'): Promise<Measure> {
  const ms: number[] = []
  for (let round = 0; round < rounds; round += 1)
    ms.push(await takenOver(own, join(folder, `${starts}-${round}`), starts))
  return compare(`intake of a generation, by a program ${which}`, allowedMs, median(ms), { bar: { atMost: 1 }, rounds })
}

async function takenOver(own: IntakeFile, folder: string, starts: 'before' | 'after'): Promise<number> {
  const [handedOver, credsDir] = [join(folder, 'handover'), join(folder, 'nats-creds')]
  for (const path of [handedOver, credsDir]) await mkdir(path, { recursive: true, mode: 0o700 })
  for (const name of await readdir(own.handover.folder)) {
    await copyFile(join(own.handover.folder, name), join(handedOver, name === MANIFEST_FILE ? `.tmp-${name}` : name))
  }
  const decisionLog = join(folder, 'decisions.jsonl')
  const file = join(folder, 'config.json')
  await writeFile(
    file,
    JSON.stringify({ ...own, handover: { ...own.handover, folder: handedOver }, credsDir, decisionLog }),
    { mode: 0o600 },
  )
  const installed = appeared(credsDir, CURRENT_FILE)
  let intake: ChildProcess | undefined
  if (starts === 'before') {
    intake = start(file)
    // It is opened last before it looks for the manifest.
    await until('the intake waits', () => existsSync(decisionLog), { withinMs: 10_000, everyMs: 50 })
  }
  const began = performance.now()
  await rename(join(handedOver, `.tmp-${MANIFEST_FILE}`), join(handedOver, MANIFEST_FILE))
  intake ??= start(file)
  const ended = once(intake, 'exit')
  const ms = (await installed) - began
  const [code] = await ended
  if (code !== 0) throw new Error(`the intake ended with ${code}`)
  return ms
}

function start(file: string): ChildProcess {
  const argv = [...nodeCommand.slice(1), serviceMain('orchestrator'), 'creds-intake', '--config', file]
  return spawn(process.execPath, argv, {
    stdio: 'ignore',
    env: programEnvironment({ NODE_COMPILE_CACHE: join(settings().cacheDir, 'compile'), HOLDFAST_HOSTS: '/etc/hosts' }),
  })
}

/** When a file of that name is there. */
function appeared(folder: string, name: string): Promise<number> {
  return new Promise((resolve) => {
    const watcher = watch(folder, () => {
      if (!existsSync(join(folder, name))) return
      watcher.close()
      resolve(performance.now())
    })
  })
}
