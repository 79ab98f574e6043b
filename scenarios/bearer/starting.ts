import { putFile, runOn, type ScenarioSite } from 'holdfast/vitest'
import { ask } from './asking.ts'

// Nodes that are started beside those of the cluster: alone, with a configuration, an environment and token files of their own.

const node = 'orc-1'
/** One that nobody has, for each that is started. */
let ports = 8_800

export interface Started {
  readonly config?: object
  readonly listen?: object
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Refused {
  readonly code: number | null
  readonly stderr: string
  readonly ms: number
  /** Whether anything listened where it should. */
  readonly isOpen: boolean
}

export interface Serving {
  readonly port: number
  readonly pid: string
  /** The answer to a request with this token. */
  status(path: string, token?: string): Promise<number | null>
}

/** A token as `openssl rand -hex 32` makes one. */
export function newToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')
}

/** A file (0600) in a folder of its own (0700); answers its path. */
export async function fileOf(site: ScenarioSite, text: string, mode = '600'): Promise<string> {
  const path = `${site.node(node).dir}/given/${crypto.randomUUID()}/token`
  await putFile(site, node, path, text)
  await runOn(site, node, 'chmod', mode, path)
  return path
}

/** Programs on the node of those that are started. */
export function on(site: ScenarioSite, ...argv: string[]): Promise<string> {
  return runOn(site, node, ...argv)
}

async function begin(
  site: ScenarioSite,
  { config = {}, listen = {}, args = [], env = {} }: Started,
  timeoutMs: number,
) {
  const { dir, address } = site.node(node)
  const port = (listen as { port?: number }).port ?? ++ports
  const folder = `${dir}/given/${crypto.randomUUID()}`
  const certificate = `${dir}/credentials/cert-${node}`
  const tls = { certFile: `${certificate}/cert.pem`, keyFile: `${certificate}/key.pem` }
  const json = {
    ...{ clusterId: 'alone', nodeId: 'alone', dataDir: `${folder}/state` },
    listen: [{ address, port, tls, ...listen }],
    ...config,
  }
  const path = `${folder}/config.json`
  await putFile(site, node, path, JSON.stringify(json))
  const argv = ['service:bearer-node', 'serve', '--config', path, ...args]
  return { port, path, folder, ended: site.node(node).exec(argv, { env, timeoutMs: site.bound(timeoutMs) }) }
}

/** Starts one that is to refuse, and answers how it ended. */
export async function refusedStart(site: ScenarioSite, started: Started): Promise<Refused> {
  const began = performance.now()
  const { ended, port } = await begin(site, started, 15_000)
  let isOpen = false
  const look = async () => {
    isOpen ||= (await ask(site, { to: node, port, path: '/healthz' })).failure !== 'ECONNREFUSED'
  }
  await look()
  const { code, stderr } = await ended
  const ms = performance.now() - began
  await look()
  return { code, stderr, ms, isOpen }
}

/** Starts one that is to serve, and ends it when it was looked at. Answers what it printed. */
export async function served(
  site: ScenarioSite,
  started: Started,
  look: (serving: Serving) => Promise<void>,
): Promise<string> {
  const { ended, port, path } = await begin(site, started, 60_000)
  let end: Awaited<typeof ended> | undefined
  void ended.then((how) => {
    end = how
  })
  const status = async (target: string, token?: string) =>
    (await ask(site, { to: node, port, path: target, token })).status
  const isUp = async () => {
    if (end !== undefined) throw new Error(`it ended with ${end.code}: ${end.stderr}`)
    return (await status('/healthz')) === 200
  }
  await site.until('it serves', isUp, { withinMs: 20_000 })
  const pid = await pidOf(site, path)
  try {
    await look({ port, pid, status })
  } finally {
    await on(site, 'kill', pid)
  }
  const { code, stdout, stderr } = await ended
  if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`)
  return `${stdout}${stderr}`
}

/** By its configuration, which nobody else has. */
async function pidOf(site: ScenarioSite, config: string): Promise<string> {
  const script =
    'for one in /proc/[0-9]*; do tr "\\0" "\\n" < "$one/cmdline" 2>/dev/null | grep -qxF "$0" && echo "${one#/proc/}"; done; true'
  const found = (await on(site, 'sh', '-c', script, config)).trim().split('\n').filter(Boolean)
  // The shell that looks has it among its words, too, and is gone by now.
  const own = await Promise.all(
    found.map(async (pid) =>
      (await on(site, 'sh', '-c', 'tr "\\0" " " < "/proc/$0/cmdline" 2>/dev/null || true', pid)).includes(' serve '),
    ),
  )
  const [pid] = found.filter((_, at) => own[at])
  if (pid === undefined) throw new Error(`no process has ${config}`)
  return pid
}
