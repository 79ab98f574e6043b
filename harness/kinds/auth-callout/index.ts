import { z } from 'zod'
import { durationSeconds } from '../../topology/duration.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import { duration, name, port } from '../../topology/schema.ts'
import { calloutFiles, calloutFolder, type Made, madeFor, setupFile } from '../nats-files.ts'
import { admitted } from '../nsc-setup/roles.ts'
import { referenceService, startOf, tlsFiles } from '../reference-service.ts'
import { checksOf, guardsOf } from './checks.ts'

const settings = z
  .strictObject({
    auth: name.describe('Node of the auth server whose tokens are accepted.'),
    hosts: z.array(name).default([]).describe('Nodes that are let in.'),
    setup: name
      .default('nats-auth-setup')
      .describe('The unit of its node that makes the keys of operator and accounts.'),
    certificate: name.optional().describe('The certificate credential of its node. Default: `cert-<node>`.'),
    validation: z.enum(['jwks', 'introspection', 'both']).default('both').describe('How tokens are verified.'),
    introspectionCacheMs: z.int().min(0).max(5_000).optional().describe('How long an answer is kept. Default 1 000.'),
    clockSkewSeconds: z.int().min(0).max(60).optional().describe('Tolerance for the times in tokens. Default 30.'),
    recheck: duration.optional().describe('How often those who are in are judged again. Default 5s.'),
    loginLifetime: duration.optional().describe('Longest life of a login. Default 5m.'),
    ports: z
      .strictObject({ local: port.default(9446) })
      .prefault({})
      .describe('The port at which it says whether it is ready.'),
  })
  .describe('Decides for the NATS broker of its node which hosts may log in.')

export type Unit = UnitContext<z.output<typeof settings>>

/** The reference callout under `services/auth-callout`. */
export const authCallout = defineKind({
  name: 'auth-callout',
  summary: 'decides for a NATS broker which hosts may log in, by certificate-bound tokens (RFC 8705)',
  settings,
  plan,
})

function plan(unit: Unit): KindPlan {
  const { auth, hosts, ports } = unit.settings
  // A plan is plain JSON: settings that were left out are left out there, too.
  const files = [setupFile, ...calloutFiles]
  const made = madeFor(unit, { setup: unit.settings.setup, files, again: 'changed' })
  const json: unknown = JSON.parse(JSON.stringify(configuration(unit, made)))
  return {
    summary: `decides about logins of ${hosts.join(', ') || 'nobody'}, validates at ${auth}`,
    files: [{ path: '@{unit}/config.json', json }],
    steps: [...made.steps],
    service: referenceService(unit, 'auth-callout', ports.local, [
      { name: 'local', port: ports.local, protocol: 'https', clientCertificate: 'none' },
    ]),
    insider: {
      asks: { issuer: auth, audiences: [audienceOf(unit)] },
      decides: checksOf(unit, audienceOf(unit)),
      judges: guardsOf(unit),
      admits: admitted,
      start: { ...startOf('listen.local')!, writes: ['decisionLog'] },
    },
  }
}

function configuration(unit: Unit, { folder, isHanded }: Made) {
  const { auth, validation, introspectionCacheMs, clockSkewSeconds, recheck, loginLifetime, ...rest } = unit.settings
  const { topology, domain, node, host } = unit
  return {
    ...{ node, unit: unit.unit, host, server: unit.url(node, 'nats', 'tls'), tls: tlsFiles(unit) },
    // The broker sees it by its address, and the auth server does.
    localAddress: '@{address}',
    listen: { local: `@{address}:${rest.ports.local}` },
    setupFile: `${folder}/${setupFile}`,
    keysDir: isHanded ? folder : `${folder}/${calloutFolder}`,
    auth: { issuer: unit.url(auth, 'public'), ca: unit.anchor(topology.nodes[auth]?.domain ?? domain) },
    validation: { mode: validation, introspectionCacheMs },
    clockSkewSeconds,
    hosts: hostsOf(unit),
    recheckMs: recheck === undefined ? undefined : durationSeconds(recheck) * 1_000,
    userSeconds: loginLifetime === undefined ? undefined : durationSeconds(loginLifetime),
    decisionLog: '@{unit}/decisions.jsonl',
  }
}

/** What a token must be for: the broker, whose node this is. */
function audienceOf({ host }: Unit): string {
  return `https://${host}`
}

function hostsOf({ settings, topology, mistake }: Unit) {
  const entries = settings.hosts.map((host, at) => {
    const node = topology.nodes[host]
    if (node === undefined) mistake(`settings.hosts.${at}`, `"${host}" is no node; declare it`)
    return [host, { host: node?.host ?? '' }] as const
  })
  return Object.fromEntries(entries)
}
