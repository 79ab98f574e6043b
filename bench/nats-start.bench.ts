import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { hostsText } from '../harness/agent/hosts-file.ts'
import type { NodeContext } from '../harness/agent/node-context.ts'
import { issueLeaf, rogueAuthority } from '../harness/pki/authority.ts'
import { compile } from '../harness/shipped.ts'
import { loadTopology } from '../harness/topology/load.ts'
import type { Plan } from '../harness/topology/plan.ts'
import type { Broker, Configuration } from '../services/nats-setup/config.ts'
import type { Bench } from './main.ts'
import { interleave } from './measure.ts'
import type { BareStart } from './nats-start/bare.ts'
import type { BareUnit } from './up-to-ready/bare.ts'
import { untilFirstOutput } from './up-to-ready/first-output.ts'
import { bareUnit, contextsOf } from './up-to-ready/render.ts'

const topology = 'nats-orchestrator'
const set = { callout: 'false' }
// Outside of what the process backend hands out.
const subnet = '127.254.253.'
const rounds = 5

export const bench: Bench = {
  summary: `${topology} from up to ready, against a script of the same nsc calls, server start and push`,
  async run() {
    const plan = compile(await loadTopology(topology, { set }))
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bare-'))
    const main = resolve(import.meta.dirname, '..', 'harness', 'cli', 'main.ts')
    try {
      const bare = async () =>
        untilFirstOutput([resolve(import.meta.dirname, 'nats-start', 'bare.ts'), await renderBare(plan, folder)])
      const up = () => untilFirstOutput([main, 'up', topology, '--set', 'callout=false', '--json'])
      return [await interleave(`up to ready, ${topology}`, bare, up, { bar: { atMost: 1.5 }, rounds })]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** Everything that a script would have lying ready, certificates among it. */
async function renderBare(plan: Plan, folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true })
  const contexts = await contextsOf(plan, folder, subnet)
  const node = contexts.find((one) => one.node.name === 'nats-1')!
  const unit = (name: string) => bareUnit(contexts, node, node.node.units.find((one) => one.name === name)!)
  const server = unit('nats-server')
  const { broker, ...configuration } = configurationIn(unit('nats-accounts-push'))
  await mkdir(server.folder, { recursive: true, mode: 0o700 })
  await mkdir(configuration.stateDir, { recursive: true, mode: 0o700 })
  await writeCertificate(node, broker!)
  const hosts = join(folder, 'hosts')
  await writeFile(hosts, hostsText({ [node.node.host]: node.address }))
  const file = join(folder, 'bare.json')
  await writeFile(file, JSON.stringify({ configuration: { ...configuration, broker }, server, hosts } as BareStart), {
    mode: 0o600,
  })
  return file
}

function configurationIn({ files: [file] }: BareUnit): Configuration {
  return JSON.parse(file!.text) as Configuration
}

/** The broker's own, which the push shows, too. */
async function writeCertificate({ node }: NodeContext, { ca, cert, key }: Broker): Promise<void> {
  const authority = await rogueAuthority('Bare Root')
  const { certPem, keyPem } = await issueLeaf({ authority, subject: node.host, sans: [node.host] })
  for (const [path, text] of [
    [ca, authority.anchorPem],
    [cert, certPem],
    [key, keyPem],
  ] as const) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(path, text, { mode: 0o600 })
  }
}
