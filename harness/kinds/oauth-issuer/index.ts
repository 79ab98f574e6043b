import type { TokenIssuer } from '../../credentials/bound-token/planned.ts'
import { durationSeconds } from '../../topology/duration.ts'
import type { Insider } from '../../topology/insider.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Service, Step, Template } from '../../topology/plan.ts'
import { givenFile, rootsPath } from '../given-file.ts'
import { demandPlaceholders, ownCommand, startCommand, startedBy } from '../own-program.ts'
import { certificateOf } from '../reference-service.ts'
import { signingKeyStep } from '../step-command.ts'
import { clientsFile, registeredCertificates } from './clients.ts'
import { type IssuerSettings, issuerSettings } from './settings.ts'

type Unit = UnitContext<IssuerSettings>

/** An OAuth server of the user's: what it does is found in its metadata, and its signing key is not ours. */
export const oauthIssuer = defineKind({
  name: 'issuer',
  summary: 'an OAuth server of your own that mints certificate-bound tokens: started, or up at a URL',
  settings: issuerSettings,
  plan,
  offers: { 'bound-token': issuer },
})

function plan(unit: Unit): KindPlan {
  const { alg, url } = unit.settings
  const { summary, machine } = startedBy(unit.settings)
  const ca = ownRoots(unit)
  const clients = clientsFile(unit)
  // That it is there, and is who it is declared to be.
  const to = { path: '@{unit}/jwks.json', mode: '0600' }
  const found = url && ca ? [{ fetch: { url, discover: 'jwks_uri', ca, to } }] : []
  return {
    summary: `${summary}, an issuer that is not ours`,
    files: [],
    after: clients.after,
    steps: [...clients.steps, ...handedOver(unit), ...found, signingKeyStep('@{unit}/beside', alg)],
    service: url === undefined ? program(unit) : undefined,
    insider: insider(unit),
    machine,
    given: ca === undefined ? undefined : { roots: givenFile(unit, 'ca', ca) },
  }
}

/** What a server that is up already is given to know the clients of this run. */
function handedOver(unit: Unit): Step[] {
  const { trust, reload } = unit.settings
  if (trust === undefined) return []
  const told = toldTo(unit)
  demandPlaceholders(unit, told, { reload })
  const copy = (from: Template, name: string): Step => ({
    copy: { from, to: { path: `${unit.resolve(trust)}/${name}`, mode: '0600' } },
  })
  const again: Step[] = reload ? [{ run: ownCommand(unit, told, reload), setting: 'settings.reload' }] : []
  return [copy(told.ca, 'ca.pem'), copy(told.clients, 'clients.json'), ...again]
}

/** Everything that its programs are told, by the name of the placeholder; in their environment `HOLDFAST_` stands before it. */
function toldTo(unit: Unit) {
  return {
    // Root of its trust domain: of the certificates of its clients.
    ca: unit.anchor(unit.domain),
    // What it must know of them.
    clients: '@{unit}/clients.json',
    issuer: identifierOf(unit),
    dir: '@{unit}',
    hosts: '@{hosts}',
  }
}

function program(unit: Unit): Service {
  const { host, settings } = unit
  const folder = unit.credential(certificateOf(unit)).path
  const told = {
    address: '@{address}',
    port: String(settings.listen),
    host,
    ...{ cert: `${folder}/cert.pem`, key: `${folder}/key.pem` },
    ...toldTo(unit),
  }
  demandPlaceholders(unit, told, { run: settings.run })
  return {
    command: startCommand(unit, told, ['cert', 'key', 'ca', 'clients']),
    ready: { http: { url: `https://${host}:${settings.listen}/`, tls: { ca: told.ca } } },
    readyWithinMs: durationSeconds(settings.readyWithin) * 1000,
    listeners: [{ name: 'main', port: settings.listen, protocol: 'https', clientCertificate: 'requested' }],
  }
}

/**
 * A key of ours stands beside its own wherever all who believe it are told which keys to believe: an insider signs with that. Where
 * somebody asks the issuer itself, nobody could.
 */
function insider({ node, unit, insiders }: Unit): Insider {
  const isAsked = insiders().some(({ insider: { believes, asks } }) => {
    return asks?.issuer === node || (believes?.issuer === node && believes.keys === 'issuer')
  })
  const mints = { signingKey: '@{unit}/beside.json', beside: `@{dir}/units/${unit}/beside.pub.json` }
  return { foreign: true, ...(!isAsked && { mints }) }
}

function issuer(unit: Unit): TokenIssuer {
  const { clients, lifetime, parameters, tokens } = unit.settings
  const clientOf = (subject: string) => clients[subject]?.id ?? subject
  const lives = durationSeconds(lifetime)
  const url = identifierOf(unit)
  return {
    url,
    by: 'holder',
    ca: ownRoots(unit),
    sub: (subject) => clients[subject]?.sub ?? clientOf(subject),
    mint({ holders, scope, resource }) {
      const said = { scope: scope.join(' '), audience: resource }
      const filled = Object.entries(parameters).map(([name, text]) => [
        name,
        text.replaceAll(placeholder, (_, of) => said[of as keyof typeof said]),
      ])
      const form = { grant_type: 'client_credentials', client_id: clientOf(holders[0]!), ...Object.fromEntries(filled) }
      return { method: 'POST', url, discover: 'token_endpoint', form, expect: [200] }
    },
    // Whether it offers that, its metadata say.
    revoke({ holders }) {
      const form = { client_id: clientOf(holders[0]!) }
      return { method: 'POST', url, discover: 'revocation_endpoint', form, expect: [200] }
    },
    registered: registeredCertificates(unit),
    ...(tokens === 'opaque' && { opaque: true }),
    member: 'access_token',
    after: `${unit.node}/${unit.unit}`,
    // It is not asked for a life: it gives what it gives.
    lifetime: { node: lives, peer: lives, maximum: lives },
  }
}

/** What the certificate of a server that is up leads to. */
function ownRoots(unit: Unit): Template | undefined {
  const { ca } = unit.settings
  return ca === undefined ? undefined : rootsPath(unit, ca)
}

const placeholder = /@\{(scope|audience)\}/g

/** As it stands in `iss`. */
function identifierOf({ host, settings: { url, listen, path } }: Unit): string {
  return url ?? `https://${host}:${listen}${path}`
}
