import { isDeepStrictEqual } from 'node:util'
import { durationSeconds } from '../../topology/duration.ts'
import { type Action, defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Command, Fetch, Step, Template } from '../../topology/plan.ts'
import type { WeakerProof } from '../../topology/proof.ts'
import { ownAudiences } from '../checks.ts'
import { certificateOf } from '../reference-service.ts'
import { demandKnownNames } from './known-names.ts'
import { type ExecSettings, execSettings, standardAnswers } from './settings.ts'
import { execVerification } from './verification.ts'

type Unit = UnitContext<ExecSettings>

/** A program of the user's own, in any language, declared and not known. */
export const exec = defineKind({
  name: 'exec',
  summary: 'a program of your own, in any language, that takes certificate-bound tokens',
  settings: execSettings,
  plan,
})

function plan(unit: Unit): KindPlan {
  const { settings, domain, host } = unit
  const { clientCertificate, action, run, url, observePath } = settings
  const told = toldTo(unit)
  demandKnownNames(unit, Object.keys(told))
  const { port, address } = listenerOf(settings)
  const { ca, cert, key, issuer } = told
  const node = issuerNode(unit)
  const audiences = audiencesOf(unit)
  const takesTokens = settings.token === 'bearer'
  // Whatever its own audience is, it may be shown what others of its domain are.
  const asks = { issuer: node, audiences: [...new Set([...ownAudiences(unit), ...audiences])] }
  return {
    summary: `${run?.join(' ') ?? `up at ${url}`}${takesTokens ? `, takes tokens of ${node}` : ''}`,
    files: [],
    steps: [...(takesTokens ? [{ fetch: keySet(told) }] : []), ...handedOver(unit, told)],
    service: {
      command: run && command(unit, told, run),
      // Any status will do: what is asked is whether it serves the certificate that it was given.
      ready: { http: { url: `https://${host}:${port}/`, address, tls: { ca, cert, key } } },
      readyWithinMs: durationSeconds(settings.readyWithin) * 1000,
      listeners: [{ name: 'main', port, protocol: 'https', clientCertificate, address }],
    },
    actions: { [action]: actionOf(unit) },
    ...(observePath !== undefined && {
      observe: { listener: 'main', request: { http: { paths: [observePath] } }, as: 'accepted', ignore: [] },
    }),
    surfaces: settings.strict ? ['strict-verifier'] : [],
    proof: proofOf(unit),
    insider: settings.introspects ? { asks } : undefined,
    verification: { [action]: execVerification(settings, { domain, issuer, audiences }) },
  }
}

type Told = ReturnType<typeof toldTo>

/** Everything that a program is told, by the name of its placeholder; in its environment `HOLDFAST_` stands before it. */
function toldTo(unit: Unit) {
  const { settings, host } = unit
  const folder = unit.credential(certificateOf(unit)).path
  const issuer = settings.token === 'none' ? '' : unit.issuer(issuerNode(unit))
  return {
    address: '@{address}',
    port: String(listenerOf(settings).port),
    host,
    ...{ cert: `${folder}/cert.pem`, key: `${folder}/key.pem` },
    // Root of its trust domain: of the certificates of its callers, and of the issuer.
    ca: unit.anchor(unit.domain),
    issuer,
    issuer_address: settings.token === 'none' ? '' : `@{address:${issuerNode(unit)}}`,
    jwks: '@{unit}/jwks.json',
    audience: audiencesOf(unit)[0] ?? '',
    // A folder of its own, for what it wants to write.
    dir: '@{unit}',
  }
}

/** What a service that is up already is given to believe this run, and to be believed. */
function handedOver(unit: Unit, told: Told): Step[] {
  const { trust, reload, token } = unit.settings
  if (trust === undefined) return []
  const folder = unit.resolve(trust)
  const copy = (from: Template, name: string): Step => ({
    copy: { from, to: { path: `${folder}/${name}`, mode: '0600' } },
  })
  const { issuer, audience, host } = told
  return [
    copy(told.ca, 'ca.pem'),
    copy(told.key, 'key.pem'),
    copy(told.cert, 'cert.pem'),
    ...(token === 'none' ? [] : [copy(told.jwks, 'jwks.json')]),
    // Last: whoever watches the folder finds all the others when this one is new.
    { write: { path: `${folder}/trust.json`, json: { issuer, audience, host } } },
    ...(reload === undefined ? [] : [{ run: command(unit, told, reload), setting: 'settings.reload' }]),
  ]
}

/** Where it listens: where it is told to, or where it is already. */
function listenerOf({ listen, url }: ExecSettings): { port: number; address?: string } {
  if (url === undefined) return { port: listen }
  const { hostname, port } = new URL(url)
  const address = hostname === 'localhost' ? '127.0.0.1' : hostname.replace(/^\[(.*)\]$/, '$1')
  return { port: Number(port || 443), address }
}

function command(unit: Unit, told: Told, [program = '', ...args]: readonly string[]): Command {
  const filled = (text: string) =>
    text.replaceAll(/@\{([a-z_]+)\}/g, (whole, name) => told[name as keyof Told] ?? whole)
  const own = Object.entries(unit.settings.env).map(([name, value]) => [name, filled(value)])
  const standard = Object.entries(told).map(([name, value]) => [`HOLDFAST_${name.toUpperCase()}`, value])
  return {
    // A name is looked up as a shell would; what has a slash is a file of the user's.
    program: { path: program.includes('/') ? unit.resolve(program) : program },
    args: args.map(filled),
    // Node trusts what this names beside the roots that it knows.
    env: Object.fromEntries([['NODE_EXTRA_CA_CERTS', told.ca], ...standard, ...own]),
    cwd: unit.resolve('.'),
  }
}

/** The issuer says in its metadata where its keys are (RFC 8414 section 3: its path comes after the well-known one). */
function keySet({ issuer, ca, jwks }: Told): Fetch {
  const { origin, pathname } = new URL(issuer)
  const url = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
  return { url, follow: 'jwks_uri', ca, to: { path: jwks, mode: '0600' } }
}

function actionOf(unit: Unit): Action {
  const { request, body, expect, token, scope } = unit.settings
  const [method = 'GET', path = '/'] = request.split(' ')
  const http = { method, path, expect: [expect].flat(), ...(body !== undefined && { json: body }) }
  return {
    summary: request,
    listener: 'main',
    carrier: token,
    ...(token === 'bearer' && {
      demands: { scope: scope === undefined ? [] : [scope], audience: audiencesOf(unit), issuer: issuerNode(unit) },
    }),
    request: { http },
  }
}

function proofOf({ settings: { observe, answers: declared }, resolve }: Unit): WeakerProof {
  const answers = isDeepStrictEqual(declared, standardAnswers) ? undefined : declared
  if (observe === 'status') return { proof: 'status alone', answers }
  const { reasons } = observe
  if ('header' in observe) return { proof: 'header', name: observe.header, reasons, answers }
  const file = observe.file === undefined ? undefined : resolve(observe.file)
  return { proof: 'log line', pattern: observe.log, file, reasons, answers }
}

function issuerNode({ settings, topology, domain }: Unit): string {
  return settings.issuer ?? topology.trustDomains[domain]?.issuer ?? ''
}

/** A name of a node stands for its host, as in `audience` of a token. */
function audiencesOf({ settings, host, topology }: Unit): string[] {
  const { audience = `https://${host}` } = settings
  return [audience].flat().map((one) => {
    const node = Object.hasOwn(topology.nodes, one) ? topology.nodes[one] : undefined
    return node === undefined ? one : `https://${node.host}`
  })
}
