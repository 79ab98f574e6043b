import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type Agent, request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import {
  selfSignedIdentity,
  type TestAuthority,
  type TestIdentity,
  testAuthority,
  testFolder,
} from '../shared/testing/certificates.ts'
import { bareEnvironment } from '../shared/testing/environment.ts'
import type { Configuration } from './config.ts'
import { loadConfig } from './config.ts'
import { type Server, startServer } from './server.ts'

// Not shipped: an auth server on loopback with everything that a test wants to try on it.

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  json: any
}

export interface CallOptions {
  as?: TestIdentity
  json?: unknown
  form?: Record<string, string> | string
  headers?: Record<string, string>
  /** Sent as it is. */
  body?: string | Buffer
  /** Connections to use again. Default: each call has one of its own. */
  agent?: Agent
}

export type ListenerName = 'public' | 'mtls' | 'operator'

export interface Bench {
  readonly folder: string
  readonly own: TestAuthority
  readonly foreign: TestAuthority
  readonly operator: TestIdentity
  readonly nodeA: TestIdentity
  readonly nodeB: TestIdentity
  readonly foreignB: TestIdentity
  readonly pinned: TestIdentity
  readonly configuration: Configuration
  readonly configFile: string
  start(): Promise<void>
  stop(): Promise<void>
  reload(): void
  call(listener: ListenerName, method: string, path: string, options?: CallOptions): Promise<Answer>
  /** An operator's call below `/operator/v1`. */
  operate(method: string, path: string, json?: unknown): Promise<Answer>
  decisions(): Record<string, unknown>[]
  lastDecision(): Record<string, unknown>
  dispose(): Promise<void>
}

export const nodeAudience = (name: string): string => `https://${name}.somebiz.local.io`
export const PEERING = 'https://peering.somebiz.local.io'

/** The registration of a node client: its own audience, and the peering audience. */
export function nodeClient(name: string, overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    client_id: name,
    method: 'tls_client_auth',
    sanDns: `${name}.somebiz.local.io`,
    trustDomain: 'somebiz',
    grants: [
      {
        resource: nodeAudience(name),
        aud: [nodeAudience(name), PEERING],
        use: 'node',
        scopes: ['node:read', 'node:routes', 'peer:connect'],
        trustedDomains: ['b.test'],
        maxTtlSeconds: 3600,
      },
      {
        resource: 'https://node-c.somebiz.local.io',
        aud: ['https://node-c.somebiz.local.io'],
        use: 'peer',
        scopes: ['peer:connect', 'peer:announce'],
        trustedNodes: ['node-c'],
        maxTtlSeconds: 7200,
      },
    ],
    introspects: [nodeAudience(name), PEERING],
    ...overrides,
  }
}

export async function createBench(settings: Record<string, unknown> = {}): Promise<Bench> {
  const folder = testFolder()
  const own = await testAuthority(folder, 'own')
  const foreign = await testAuthority(folder, 'foreign')
  const server = await own.issue({ sans: ['auth.somebiz.local.io', 'localhost'] })
  const [open, mtls, operatorPort] = await freePorts(3)
  const ports = { public: open, mtls, operator: operatorPort } as Record<ListenerName, number>
  const file = {
    issuer: `https://auth.somebiz.local.io:${open}`,
    listen: { public: `127.0.0.1:${open}`, mtls: `127.0.0.1:${mtls}`, operator: `127.0.0.1:${operatorPort}` },
    tls: { cert: server.certFile, key: server.keyFile, ca: own.file },
    trustDomain: 'somebiz',
    trustDomains: { other: { ca: foreign.file } },
    operators: ['operator.somebiz.local.io'],
    storage: { path: join(folder, 'state', 'auth.db') },
    decisionLog: join(folder, 'decisions.jsonl'),
    ...settings,
  }
  const configFile = join(folder, 'config.json')
  writeFileSync(configFile, JSON.stringify(file))
  const configuration = loadConfig({ file: configFile, environment: {} })
  const name = new URL(configuration.issuer).hostname
  const operator = await own.issue({ sans: ['operator.somebiz.local.io'] })
  let running: Server | undefined

  const bench: Bench = {
    folder,
    own,
    foreign,
    operator,
    nodeA: await own.issue({ sans: ['node-a.somebiz.local.io'] }),
    nodeB: await own.issue({ sans: ['node-b.somebiz.local.io'] }),
    foreignB: await foreign.issue({ sans: ['node-b.somebiz.local.io'] }),
    pinned: await selfSignedIdentity(folder, { sans: ['pinned.example.org'] }),
    configuration,
    configFile,
    async start() {
      running = await startServer(configuration)
    },
    async stop() {
      await running?.stop()
      running = undefined
    },
    reload: () => running?.reload(),
    call: (listener, method, path, options = {}) =>
      call({ name, port: ports[listener], ca: own.pem, method, path }, options),
    operate: (method, path, json) =>
      call({ name, port: ports.operator, ca: own.pem, method, path: `/operator/v1${path}` }, { as: operator, json }),
    decisions: () =>
      readFileSync(file.decisionLog as string, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    lastDecision: () => bench.decisions().at(-1) as Record<string, unknown>,
    async dispose() {
      await bench.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return bench
}

/** Starts the program itself; resolves when it says that it is ready, rejects with what it said when it ends before. `starting`: what is done to it until then. */
export function spawnServer(
  args: string[],
  env: Record<string, string> = {},
  starting: (child: ChildProcess) => void = () => {},
): Promise<{ child: ChildProcess; stderr: () => string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    env: { ...bareEnvironment, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  starting(child)
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('"event":"ready"')) resolve({ child, stderr: () => said })
    })
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)))
  })
}

/** Runs the program to its end. */
export async function runProgram(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    env: { ...bareEnvironment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  })
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, stdout, stderr }
}

function call(
  target: { name: string; port: number; ca: string; method: string; path: string },
  { as, json, form, headers, body, agent }: CallOptions,
): Promise<Answer> {
  const content =
    body ?? (json !== undefined ? JSON.stringify(json) : form && new URLSearchParams(form as string).toString())
  const type =
    json !== undefined ? 'application/json' : form !== undefined ? 'application/x-www-form-urlencoded' : undefined
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      servername: target.name,
      port: target.port,
      method: target.method,
      path: target.path,
      ca: target.ca,
      ...(as === undefined ? {} : { cert: as.cert, key: as.key }),
      agent: agent ?? false,
      // The test may show a certificate that its own library would not use.
      ciphers: 'DEFAULT@SECLEVEL=0',
      headers: {
        host: `${target.name}:${target.port}`,
        ...(type === undefined ? {} : { 'content-type': type }),
        ...(content === undefined ? {} : { 'content-length': Buffer.byteLength(content) }),
        ...headers,
      },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      text(response).then((answer) => {
        const isJson = String(response.headers['content-type']).includes('json')
        const value = { status: response.statusCode ?? 0, headers: response.headers, text: answer }
        resolve({ ...value, json: isJson && answer !== '' ? JSON.parse(answer) : undefined })
      }, reject)
    })
    outgoing.end(content)
  })
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
