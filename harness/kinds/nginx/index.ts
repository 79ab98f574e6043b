import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Hop, UnitRef } from '../../topology/plan.ts'
import { holdersOf } from '../../topology/schema.ts'
import { tlsFiles } from '../reference-service.ts'
import { systemCommand } from '../system-program.ts'
import { configurationOf, fieldsOf, linesOf } from './configuration.ts'
import { type Settings, settings } from './settings.ts'

type Unit = UnitContext<Settings>

const configurationFile = '@{unit}/nginx.conf'

/** nginx as people put it in front of one node. */
export const nginx = defineKind({
  name: 'nginx',
  summary: 'nginx, which hands calls on to a node behind it',
  settings,
  plan,
})

function plan(unit: Unit): KindPlan {
  const { settings, host, topology } = unit
  const { upstream, listener, port, tls, ready } = settings
  demandForwarding(unit)
  demandNoSecret(unit)
  const to = new URL(unit.url(upstream, listener))
  const files = tls ? tlsFiles(unit) : { ca: '', cert: '', key: '' }
  const upstreamHost = topology.nodes[upstream]?.host ?? upstream
  const places = { ...files, host: upstreamHost, address: `@{address:${upstream}}`, port: Number(to.port || 443) }
  const text = configurationOf(settings, places)
  const url = `${tls ? 'https' : 'http'}://${host}:${port}${ready}`
  return {
    summary: `hands calls on to ${upstream}`,
    files: [{ path: configurationFile, text }],
    after: unitsOf(unit, upstream),
    service: {
      command: systemCommand('nginx', `exec nginx -e stderr -p . -c "$1" -g 'daemon off;'`, configurationFile),
      ready: { http: { url, ...(tls && { tls: { ca: files.ca } }), expect: [200] } },
      listeners: [{ name: 'main', port, protocol: tls ? 'https' : 'http', clientCertificate: 'none' }],
    },
    // What comes through is known by what it tells of its callers, which only a proxy may that shows who it is.
    hop: tls ? hopOf(settings) : undefined,
    machine: ['nginx'],
  }
}

/** Those of a node that start with it. */
function unitsOf({ topology }: Unit, node: string): UnitRef[] {
  const units = Object.entries(topology.nodes[node]?.units ?? {})
  return units.flatMap(([name, { start }]) => (start === undefined ? `${node}/${name}` : []))
}

function hopOf({ authorization, headers, upstream, listener }: Settings): Hop {
  const fields = fieldsOf({ authorization, headers })
  const taken = Object.entries(fields).flatMap(([field, value]) => (value === '' ? field : []))
  return {
    listener: 'main',
    to: { node: upstream, listener },
    ends: ['certificate'],
    takes: authorization === 'no-headers' ? 'all' : taken,
    mend: { file: configurationFile, place: 'the block server', line: 'proxy_set_header {field} $http_{variable};' },
  }
}

/** Reports what would make members of all who come through, and what nginx leaves out of locations that set something themselves. */
function demandForwarding({ settings, mistake }: Unit): void {
  const { authorization, headers, locations } = settings
  if (authorization === 'constant' || isConstant(headers)) {
    const where = authorization === 'constant' ? 'authorization' : 'headers'
    mistake(`settings.${where}`, constant)
  }
  const all = fieldsOf(settings)
  for (const [path, { headers: own }] of Object.entries(locations)) {
    const names = Object.keys(own).map((field) => field.toLowerCase())
    if (isConstant(own)) mistake(`settings.locations.${path}.headers`, constant)
    const left = Object.entries(all).filter(([field]) => !names.includes(field.toLowerCase()))
    if (names.length === 0 || left.length === 0) continue
    const lines = linesOf(Object.fromEntries(left)).join(' ')
    mistake(
      `settings.locations.${path}.headers`,
      `sets header fields itself, and so inherits none of the others: ${left.map(([field]) => field).join(', ')}; repeat them there: ${lines}`,
    )
  }
}

const constant =
  'sets one credential for everybody who comes through, which makes each of them a member (RFC 9700 section 4.13); write "forward", and let callers present their own'

/** Whether `Authorization` is the same for everybody, whatever a caller sent. */
function isConstant(headers: Readonly<Record<string, string>>): boolean {
  const value = Object.entries(headers).find(([field]) => field.toLowerCase() === 'authorization')?.[1]
  return value !== undefined && value !== '' && !value.includes('$')
}

/** It hands on what its callers present: one that holds a secret itself could present it for them. */
function demandNoSecret({ node, topology, mistake }: Unit): void {
  for (const [name, credential] of Object.entries(topology.credentials)) {
    if (credential.kind !== 'bearer-secret' || !holdersOf(credential).includes(node)) continue
    mistake('', `its node holds "${name}", which a proxy never needs; take "${node}" out of the holders`)
  }
}
