import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { netnsBackend } from '../backends/netns/index.ts'
import { userEnvironment } from '../settings.ts'
import { renderSite, type SiteDescription } from './describe-site.ts'

const run = promisify(execFile)
const main = join(import.meta.dirname, 'main.ts')
const missing = await netnsBackend.unavailable()
let cwd: string

async function holdfast(...argv: string[]): Promise<string> {
  const env = userEnvironment({ HOLDFAST_RUNTIME_DIR: join(cwd, 'runtime') })
  return (await run(process.execPath, [main, ...argv], { cwd, env })).stdout
}

async function up(topology: string): Promise<SiteDescription> {
  return JSON.parse(await holdfast('up', topology, '--backend', 'netns', '--detach', '--json')) as SiteDescription
}

interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly code?: number
}

/** All that it prints, run in a shell of this machine, which is in none of the networks. */
async function pasted(site: SiteDescription): Promise<(Ended & { what: string; expected: string })[]> {
  const calls = site.nodes.flatMap((node) => node.calls.map((call) => ({ node: node.name, ...call })))
  return Promise.all(
    calls.map(async ({ node, summary, command, expected }) => {
      const ended: Ended = await run('sh', ['-c', command], { cwd }).catch((failure: Ended) => failure)
      return { what: `${node}: ${summary}`, expected, ...ended }
    }),
  )
}

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'holdfast-up-in-namespaces-'))
})
afterAll(async () => {
  await holdfast('down', '--all')
  await rm(cwd, { recursive: true, force: true })
}, 300_000)

test.skipIf(missing)(
  `the calls that up prints of nodes in namespaces work from outside ${missing ?? ''}`,
  async () => {
    const site = await up('separate-auth')
    const answers = await pasted(site)
    const statusOf = ({ stdout }: Ended) => stdout.trim().split('\n').at(-1) ?? ''
    const wrong = answers.filter(
      (one) => !(one.expected === 'accepted' ? /^(20[01]|101)$/ : /^401$/).test(statusOf(one)),
    )

    expect(answers.length).toBeGreaterThan(10)
    // A WebSocket is left by curl's own limit of time, and its status is not the last line then.
    expect(wrong.filter(({ code }) => code !== 28)).toEqual([])
    const shell = /a shell there: (.*)/.exec(renderSite(site))?.[1]
    expect((await run('sh', ['-c', `${shell} -c 'uname -n'`])).stdout).toBe(`${site.nodes[0]!.name}\n`)
  },
  300_000,
)

test.skipIf(missing)(
  `those of a broker start a client that finds it by its name ${missing ?? ''}`,
  async () => {
    const answers = await pasted(await up('nats-orchestrator'))
    const ofBroker = answers.filter(({ what, stdout }) => what.startsWith('nats-1: ') && !/\n\d+\n$/.test(stdout))
    const isRefused = ({ stderr }: Ended) => / Violation/i.test(stderr)
    const wrong = ofBroker.filter((one) => {
      return one.expected === 'refused' ? !isRefused(one) : (one.code ?? 0) !== 0 || isRefused(one)
    })

    expect(ofBroker.length).toBeGreaterThan(3)
    expect(wrong).toEqual([])
  },
  300_000,
)
