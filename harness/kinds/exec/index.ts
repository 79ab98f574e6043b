import { isDeepStrictEqual } from 'node:util'
import { systemRoots } from '../../pki/given.ts'
import { durationSeconds } from '../../topology/duration.ts'
import { type Action, defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Probe, Step, Template } from '../../topology/plan.ts'
import type { WeakerProof } from '../../topology/proof.ts'
import { ownAudiences } from '../checks.ts'
import { givenFile, rootsPath } from '../given-file.ts'
import { demandPlaceholders, ownCommand, startCommand, startedBy } from '../own-program.ts'
import { certificateOf } from '../reference-service.ts'
import { demandKnownReasons } from './known-reasons.ts'
import { certificateHeaderOf, ownListener, proxyUnit } from './proxies/behind.ts'
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
  const { clientCertificate, action, run, image, reload, url, observePath, behind } = settings
  const { machine, ...started } = startedBy(settings)
  const certificateHeader = certificateHeaderOf(settings)
  const told = toldTo(unit)
  demandPlaceholders(unit, told, { run, reload })
  demandKnownReasons(unit)
  const { port, address } = listenerOf(settings)
  const { ca, issuer } = told
  const server = servedWith(unit)
  const node = issuerNode(unit)
  const audiences = audiencesOf(unit)
  const takesTokens = settings.token === 'bearer'
  // Who asks about every token believes none that the issuer did not mint.
  const keys = settings.keys === 'file' && !settings.introspects ? 'file' : 'issuer'
  const serves: Probe = {
    http: { url: `https://${host}:${port}/`, address, tls: { ...ownIdentity(unit), ca: server?.ca ?? ca } },
  }
  // Whatever its own audience is, it may be shown what others of its domain are.
  const asks = { issuer: node, audiences: [...new Set([...ownAudiences(unit), ...audiences])] }
  return {
    summary: `${started.summary}${takesTokens ? `, takes tokens of ${node}` : ''}`,
    files: [],
    steps: [...(takesTokens ? [...issuerRoots(unit).steps, ...keySet(unit, told)] : []), ...handedOver(unit, told)],
    service: {
      command: startCommand(unit, told, ['cert', 'key', 'ca', 'issuer_ca', 'jwks']),
      // Any status will do: what is asked is whether it serves the certificate that it was given.
      ready: behind === undefined ? serves : { tcp: { port: behind.listen } },
      readyWithinMs: durationSeconds(settings.readyWithin) * 1000,
      listeners: [
        { name: 'main', port, protocol: 'https', clientCertificate, address, ca: server?.ca, certificateHeader },
        ...ownListener(settings),
      ],
    },
    companions: proxyUnit(unit, told, serves),
    actions: { [action]: actionOf(unit) },
    ...(observePath !== undefined && {
      observe: { listener: 'main', request: { http: { paths: [observePath] } }, as: 'accepted', ignore: [] },
    }),
    surfaces: settings.strict ? ['strict-verifier'] : [],
    proof: proofOf(unit),
    program: JSON.stringify(run ?? image ?? url),
    insider: { ...(takesTokens && { believes: { issuer: node, keys } }), ...(settings.introspects && { asks }) },
    verification: { [action]: execVerification(settings, { domain, issuer, audiences }) },
    machine,
    given: server?.given,
  }
}

type Told = ReturnType<typeof toldTo>

/** Everything that a program is told, by the name of its placeholder; in its environment `HOLDFAST_` stands before it. */
function toldTo(unit: Unit) {
  const { settings, host } = unit
  const server = servedWith(unit)
  const issuer = settings.token === 'none' ? '' : unit.issuer(issuerNode(unit))
  return {
    address: '@{address}',
    port: String(settings.behind?.listen ?? listenerOf(settings).port),
    host,
    ...(server === undefined ? ownIdentity(unit) : { cert: server.cert, key: server.key }),
    // Root of its trust domain: of the certificates of its callers, and of the issuer.
    ca: unit.anchor(unit.domain),
    issuer,
    // Root of the issuer's own certificate, which need not be of this trust domain.
    issuer_ca: issuerRoots(unit).path,
    issuer_address: settings.token === 'none' ? '' : `@{address:${issuerNode(unit)}}`,
    jwks: '@{unit}/jwks.json',
    audience: audiencesOf(unit)[0] ?? '',
    // A folder of its own, for what it wants to write; and the names of the lab, for who resolves them by a file.
    dir: '@{unit}',
    hosts: '@{hosts}',
    // Where something in front of it ends TLS: the header that holds the certificate of the caller.
    certificate_header: certificateHeaderOf(settings)?.name ?? '',
    certificate_encoding: certificateHeaderOf(settings)?.encoding ?? '',
  }
}

/** File of the roots that the certificate of its issuer leads to. What this machine trusts is written into one: a program reads a file. */
function issuerRoots(unit: Unit): { path: Template; steps: Step[] } {
  if (unit.settings.token === 'none') return { path: '', steps: [] }
  const from = unit.issuerAnchor(issuerNode(unit))
  if (from !== systemRoots) return { path: from, steps: [] }
  const path = '@{unit}/issuer-ca.pem'
  return { path, steps: [{ copy: { from, to: { path, mode: '0644' } } }] }
}

/** Its certificate of the CA of its trust domain: what it serves with, and what it is asked with whether it is ready. */
function ownIdentity(unit: Unit): { cert: Template; key: Template } {
  const folder = unit.credential(certificateOf(unit)).path
  return { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` }
}

/** What it serves with instead, where it has that from somewhere else: files of the user's, read where they lie. */
function servedWith(unit: Unit) {
  const { serverCertificate: served } = unit.settings
  if (served === undefined) return undefined
  const [ca, cert, key] = [rootsPath(unit, served.ca), served.cert, served.key]
  const file = (member: string, path: string) => givenFile(unit, `serverCertificate.${member}`, path)
  const roots = file('ca', ca)
  if (cert === undefined || key === undefined) return { ca, cert: '', key: '', given: { roots } }
  const own = { cert: unit.resolve(cert), key: unit.resolve(key) }
  return { ca, ...own, given: { roots, identity: { cert: file('cert', own.cert), key: file('key', own.key) } } }
}

/** What a service that is up already is given to believe this run, and to be believed. */
function handedOver(unit: Unit, told: Told): Step[] {
  const { trust, reload, token } = unit.settings
  if (trust === undefined) return []
  const folder = unit.resolve(trust)
  const copy = (from: Template, name: string, lasts: { forRun?: true } = {}): Step => ({
    copy: { from, to: { path: `${folder}/${name}`, mode: '0600' }, ...lasts },
  })
  const { issuer, audience, host } = told
  return [
    copy(told.ca, 'ca.pem'),
    ...(unit.settings.serverCertificate === undefined
      ? [
          // As it is now: a certificate that is made anew later has another key.
          { copy: { from: told.key, to: { path: '@{unit}/key.pem', mode: '0600' } } },
          copy('@{unit}/key.pem', 'key.pem', { forRun: true }),
          copy(told.cert, 'cert.pem'),
        ]
      : []),
    ...(token === 'none' ? [] : [copy(told.jwks, 'jwks.json')]),
    { write: { path: '@{unit}/trust.json', json: { issuer, audience, host } } },
    // Last: whoever watches the folder finds all the others when this one is new, and no key is there without it.
    copy('@{unit}/trust.json', 'trust.json', { forRun: true }),
    ...(reload === undefined ? [] : [{ run: ownCommand(unit, told, reload), setting: 'settings.reload' }]),
  ]
}

/** Where it listens: where it is told to, or where it is already. */
function listenerOf({ listen, url }: ExecSettings): { port: number; address?: string } {
  if (url === undefined) return { port: listen }
  const { hostname, port } = new URL(url)
  return { port: Number(port || 443), address: hostname.replace(/^\[(.*)\]$/, '$1') }
}

/** What an issuer in other hands does not publish is added: a key of ours beside its own, so that what it would never sign can be tried. */
function keySet(unit: Unit, { issuer, issuer_ca: ca, jwks }: Told): Step[] {
  const node = issuerNode(unit)
  const added =
    unit.settings.keys === 'file' ? unit.insiders().find((one) => one.node === node)?.insider.mints?.beside : undefined
  const to = { path: '@{unit}/beside.json', mode: '0600' }
  const fetch = { url: issuer, discover: 'jwks_uri', ca, to: { path: jwks, mode: '0600' } }
  if (added === undefined) return [{ fetch }]
  return [{ receive: { from: node, source: { file: added }, to } }, { fetch: { ...fetch, add: to.path } }]
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
