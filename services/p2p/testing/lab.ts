import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestAuthority, testAuthority, testFolder } from '../../shared/testing/certificates.ts'
import type { Ran } from '../../shared/testing/output.ts'
import { freePort, until } from '../../shared/testing/service-process.ts'
import { type Begun, begin, type RunOptions } from './run-p2p.ts'

/** A cluster of real nodes, each a process of its own, over TLS. */
export interface Lab extends AsyncDisposable {
  readonly folder: string
  readonly root: TestAuthority
  readonly nodes: readonly LabNode[]
  /** Writes a token file (0600). */
  putToken(name: string, token: string): string
  /** p2p as the holder of a token file, who asks one of the nodes. */
  p2p(at: LabNode, args: readonly string[], options?: LabOptions): Promise<Ran>
  begin(at: LabNode, args: readonly string[], options?: LabOptions): Begun
}

export interface LabOptions {
  /** Default: `token`. */
  readonly tokenFile?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface LabNode {
  readonly id: string
  readonly url: string
  readonly tokenFile: string
  /** A command of `bearer-node` with the token file of this node. */
  command(args: readonly string[]): Promise<Ran>
  /** Resolves once it listens. */
  start(): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Every token of a lab: none may be printed by anything. */
export const TOKENS = { old: `old-${'0'.repeat(40)}`, new: `new-${'1'.repeat(40)}`, foreign: `else-${'2'.repeat(40)}` }
const secrets = Object.values(TOKENS)
const START_WITHIN_MS = 60_000

export async function makeLab(pipelines: object): Promise<Lab> {
  const folder = testFolder()
  const root = await testAuthority(folder, 'lab')
  const ids = ['orc-1', 'orc-2', 'orc-3']
  const ports = await Promise.all(ids.map(() => freePort()))
  const hosts = ids.map((id) => `${id}.somebiz.local.io`)
  const peers = ids.map((id, at) => ({ id, url: `https://${hosts[at]}:${ports[at]}` }))
  const putToken = (name: string, token: string): string => {
    const path = join(folder, name)
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
    writeFileSync(path, `${token}\n`, { mode: 0o600 })
    return path
  }
  const ownToken = putToken('token', TOKENS.old)
  const nodes = await Promise.all(
    peers.map(async ({ id, url }, at) => {
      const { certFile, keyFile } = await root.issue({ sans: [hosts[at]!] })
      const config = join(folder, `${id}.json`)
      const listen = [{ address: '127.0.0.1', port: ports[at], tls: { certFile, keyFile } }]
      const times = { leaseMs: 1_500, peerTimeoutMs: 2_000 }
      const own = { clusterId: 'lab', nodeId: id, dataDir: join(folder, id), caFile: root.file, listen, peers }
      writeFileSync(config, JSON.stringify({ ...own, ...times, pipelines, auth: { require: true } }))
      return labNode(id, url, config, putToken(`${id}-secret/token`, TOKENS.old))
    }),
  )
  const options = ({ tokenFile = ownToken, env = {} }: LabOptions): RunOptions => ({
    env: { HOLDFAST_P2P_CA_FILE: root.file, HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: tokenFile, ...env },
    secrets,
  })
  const asking: Lab['begin'] = ({ url }, args, given = {}) =>
    begin('p2p', [...args, '--p2p-leader', url], options(given))
  return {
    ...{ folder, root, nodes, putToken, begin: asking },
    p2p: (at, args, given) => asking(at, args, given).ended,
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node.stop('SIGKILL')))
      rmSync(folder, { recursive: true })
    },
  }
}

function labNode(id: string, url: string, config: string, tokenFile: string): LabNode {
  const options = { env: { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: tokenFile }, secrets }
  let running: Begun | undefined
  return {
    ...{ id, url, tokenFile },
    command: (args) => begin('bearer-node', [...args, '--config', config], options).ended,
    async start() {
      const begun = begin('bearer-node', ['serve', '--config', config], options)
      running = begun
      const ended = begun.ended.then(({ code, stderr }) => {
        throw new Error(`${id} ended with ${code}: ${stderr}`)
      })
      await Promise.race([until(() => begun.stderr().includes('"started"'), id, START_WITHIN_MS), ended])
      ended.catch(() => {})
    },
    async stop(signal = 'SIGTERM') {
      running?.child.kill(signal)
      await running?.ended
      running = undefined
    },
  }
}
