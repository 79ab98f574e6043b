import { isIP } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'

const file = z.string().min(1, 'must name a file or folder')
const id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9 and -')
const port = z.int().min(1).max(65_535)

/** One bad listener must not hide the others: each is judged by itself. */
const listener = z.strictObject({
  address: z.string().refine((text) => isIP(text) !== 0, 'must be an IP address'),
  port,
  tls: z
    .strictObject({
      certFile: file,
      keyFile: file,
      /** Anchors of the certificates by which proxies are known. Default: `caFile`. */
      clientCaFile: file.optional(),
    })
    .optional(),
})

const peer = z.strictObject({
  id,
  url: z.string().refine(isOrigin, 'must be http://HOST:PORT or https://HOST:PORT, and nothing more'),
  voter: z.boolean().default(true),
})

const stage = z.strictObject({
  name: id,
  argv: z.array(z.string()).min(1),
  timeoutMs: z.int().min(1).max(86_400_000),
  needs: z.array(id).default([]),
})

const pipeline = z.strictObject({
  /** JSON Schema of the parameters of a run. */
  params: z.record(z.string(), z.unknown()),
  stages: z.array(stage).min(1),
})

/** Headers that mean something else: what stands in them would be read as a token. */
const NO_ALIAS = /^(authorization|proxy-authorization|cookie|host|connection|content-.*|transfer-encoding|forwarded)$/i

const schema = z
  .strictObject({
    clusterId: id.describe('Name of the cluster: the same on each of its nodes.'),
    nodeId: id.describe('Name of this node, as it stands in peers.'),
    unit: z.string().min(1).default('orchestrator').describe('Name of this unit, for its records.'),
    dataDir: file.describe('Folder (0700) for the state of this node.'),
    decisionLog: file.optional().describe('JSONL file for decision records. Default: decisions.jsonl in dataDir.'),
    listen: z
      .array(listener)
      .min(1)
      .default([{ address: '127.0.0.1', port: 8770 }])
      .describe('JSON list of {address, port, tls: {certFile, keyFile, clientCaFile}}.'),
    peers: z.array(peer).default([]).describe('JSON list of {id, url, voter}: every node, this one too.'),
    caFile: file.optional().describe('PEM file with the roots of the certificates of peers.'),
    proxies: z
      .array(z.strictObject({ name: id, san: z.string().min(1) }))
      .default([])
      .describe('JSON list of {name, san}: known by the client certificate of their connections.'),
    auth: z
      .strictObject({
        require: z.boolean().default(false).describe('Whether a start without a token is refused; --require-auth.'),
        readAccess: z.enum(['open', 'token']).default('open').describe('Who may read.'),
        headerAlias: z
          .string()
          .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a header')
          .refine((name) => !NO_ALIAS.test(name), 'must be a header that means nothing else')
          .optional()
          .describe('One more header whose whole value is the token: X-RingRift-Auth.'),
        maxOverlapS: z.int().min(1).max(2_592_000).default(86_400).describe('Longest overlap of two tokens, in s.'),
      })
      .prefault({}),
    leaseMs: z.int().min(1_000).max(600_000).default(10_000).describe('Lease of the leader, in ms.'),
    peerTimeoutMs: z.int().min(100).max(600_000).default(10_000).describe('Until a silent peer is lost, in ms.'),
    pipelines: z
      .record(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/), pipeline)
      .default({})
      .describe('JSON, by name.'),
  })
  .superRefine((given, context) => {
    const mistake = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    const ids = given.peers.map((one) => one.id)
    if (new Set(ids).size < ids.length) mistake('peers', 'names a node twice')
    if (ids.length > 0 && !ids.includes(given.nodeId)) mistake('peers', `does not name this node, ${given.nodeId}`)
    const names = given.proxies.map((one) => one.name)
    if (new Set(names).size < names.length) mistake('proxies', 'names a proxy twice')
    const sans = given.proxies.map((one) => one.san.toLowerCase())
    if (new Set(sans).size < sans.length) mistake('proxies', 'names a SAN twice')
    const isKnowable = given.listen.some(({ tls }) => (tls?.clientCaFile ?? (tls && given.caFile)) !== undefined)
    if (names.length > 0 && !isKnowable) {
      mistake('proxies', 'no listener can know one; give a listener tls, and clientCaFile or caFile')
    }
  })
  .transform((given) => ({ ...given, decisionLog: given.decisionLog ?? join(given.dataDir, 'decisions.jsonl') }))

/** As it is effective: every default is filled in. */
export type Config = z.output<typeof schema>
export type ListenConfig = Config['listen'][number]
export type PeerConfig = Config['peers'][number]

export const program: Program<Config> = {
  name: 'bearer-node',
  environmentPrefix: 'BEARER_NODE',
  schema,
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return false
  const isBare = url.pathname === '/' && url.username === '' && url.password === ''
  return isBare && !/[?#]/.test(text)
}
