import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Command, HttpCall, Template } from '../../topology/plan.ts'
import { tlsFiles } from '../reference-service.ts'
import { electedUnit } from './elected.ts'
import { rollUnits } from './roll.ts'
import { type Settings, settings as schema } from './settings.ts'
import { actions, verificationOf } from './verification.ts'

type Unit = UnitContext<Settings>
type Tls = ReturnType<typeof tlsFiles>

const KIND = 'bearer-node'
const configurationFile = '@{unit}/config.json'
const decisionLog = '@{unit}/decisions.jsonl'

/** The reference node under `services/bearer-node`. */
export const bearerNode = defineKind({
  name: KIND,
  summary: 'orchestrator of a cluster whose members share one bearer token',
  settings: schema,
  plan,
})

function plan(unit: Unit): KindPlan {
  const { settings, node, host } = unit
  const { token, tls, port, requireAuth } = settings
  const tokenFile = tokenFileOf(unit)
  const files = tls ? tlsFiles(unit) : undefined
  const json: unknown = JSON.parse(JSON.stringify(configuration(unit, files)))
  const ready = { url: `${schemeOf(settings)}://${host}:${port}/readyz`, ...(files && { tls: { ca: files.ca } }) }
  const command = given(settings, tokenFile, ['serve', '--config', configurationFile])
  if (requireAuth) command.args.push('--require-auth')
  // A proxy is known by its certificate; nobody else is asked for one.
  const asked = settings.proxies.length > 0 ? 'requested' : 'none'
  return {
    summary: `orchestrator ${node} of the cluster ${settings.cluster}`,
    files: [{ path: configurationFile, json }],
    service: {
      command,
      ready: { http: { ...ready, expect: [200] } },
      decisionLog,
      listeners: [{ name: 'main', port, protocol: schemeOf(settings), clientCertificate: asked }],
      // Stages of a run get ten seconds to end.
      stopWithinMs: 15_000,
    },
    actions,
    verification: verificationOf(settings),
    observe: {
      ...{ listener: 'main', as: 'accepted', request: { http: { paths: ['/v1/pipeline/runs', '/v1/auth'] } } },
      ignore: volatile,
    },
    companions: [
      ...electedUnits(unit, tokenFile, files),
      ...rollUnits({
        ...{ node, unit: unit.unit, tokenFile },
        command: (...words) => rolling(unit, tokenFile, words),
      }),
    ],
    // Only a file can be another one while it runs; and what tells which tokens are accepted is asked over TLS.
    insider:
      settings.tokenSource === 'file' && files !== undefined
        ? {
            rolls: {
              ...{ credential: token, second: `${unit.unit}-second`, alone: `${unit.unit}-alone` },
              accepts: acceptsOf(unit, tokenFile, files),
            },
          }
        : undefined,
  }
}

/** What goes on by itself in a run that was begun. */
const volatile = ['state', 'epoch', 'startedAt', 'endedAt', 'reason', 'stages']

function schemeOf({ tls }: Pick<Settings, 'tls'>): 'https' | 'http' {
  return tls ? 'https' : 'http'
}

function tokenFileOf({ credential, settings: { token }, mistake }: Unit): Template {
  const { path, declaration } = credential(token)
  if (declaration !== undefined && declaration.kind !== 'bearer-secret') {
    mistake('settings.token', `"${token}" is no bearer secret; name one`)
  }
  return path
}

/** The program with its token, from where it is to find that. */
function given({ tokenSource }: Pick<Settings, 'tokenSource'>, tokenFile: Template, args: string[]): Command {
  const program = { service: KIND }
  const content = `@{content:${tokenFile}}`
  switch (tokenSource) {
    case 'flag':
      return { program, args: [...args, '--auth-token', content], showsContents: true }
    case 'environment':
      return { program, args, env: { HOLDFAST_CLUSTER_AUTH_TOKEN: content } }
    default:
      return { program, args, env: { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: tokenFile } }
  }
}

/** What came by flag or environment cannot be rolled; the program says so. */
function rolling({ unit, settings }: Unit, tokenFile: Template, words: readonly string[]): Command {
  return given(settings, tokenFile, [
    ...words,
    '--config',
    configurationFile.replace('@{unit}', `@{dir}/units/${unit}`),
  ])
}

/** One behind a proxy may be kept apart by that, and its peers know it then. */
function electedUnits(unit: Unit, tokenFile: Template, files: Tls | undefined) {
  const { host, settings } = unit
  if (settings.proxies.length > 0) return []
  const url = `${schemeOf(settings)}://${host}:${settings.port}/v1/status`
  return [electedUnit(unit, { url, ca: files?.ca ?? '', tokenFile })]
}

/** Which tokens it accepts, as it tells who has its own. */
function acceptsOf({ host, settings }: Unit, tokenFile: Template, { ca }: Tls): HttpCall {
  const url = `https://${host}:${settings.port}/v1/auth`
  return { method: 'GET', url, tls: { ca }, bearer: tokenFile, expect: [200] }
}

function configuration(unit: Unit, files: Tls | undefined) {
  const { node, settings, topology } = unit
  const { cluster, readAccess, headerAlias, maxOverlapSeconds, leaseMs, peerTimeoutMs, pipelines, port } = settings
  const { cert, key, ca } = files ?? {}
  return {
    ...{ clusterId: cluster, nodeId: node, unit: unit.unit, dataDir: '@{unit}/state', decisionLog },
    listen: [{ address: '@{address}', port, ...(files && { tls: { certFile: cert, keyFile: key } }) }],
    peers: peersOf(unit),
    caFile: ca,
    proxies: settings.proxies.map((proxy) => ({ name: proxy, san: topology.nodes[proxy]?.host ?? proxy })),
    auth: { readAccess, headerAlias, maxOverlapS: maxOverlapSeconds },
    ...{ leaseMs, peerTimeoutMs, pipelines },
  }
}

/** Every node of the cluster, this one too, each by the URL at which its peers call it. */
function peersOf(unit: Unit) {
  const { node, settings, topology, mistake } = unit
  const all = Object.entries(topology.nodes).flatMap(([id, { units }]) =>
    Object.values(units).flatMap((one) => {
      const { data } = one.kind === KIND ? schema.safeParse(one.settings) : {}
      return data?.cluster === settings.cluster ? { id, ...data } : []
    }),
  )
  if (all.length === 2 && all[0]?.id === node) {
    const what = `is one of two nodes of "${settings.cluster}": without either of them there is no majority`
    mistake('settings.cluster', `${what}; declare one node, or three and more`)
  }
  return all.map(({ id, proxies: [proxy = id], ...peer }) => {
    return { id, url: unit.url(proxy, 'main').replace(/^https/, schemeOf(peer)), voter: true }
  })
}
