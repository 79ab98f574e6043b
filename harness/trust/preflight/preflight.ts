import { trustIn } from '../../credentials/bound-token/trust.ts'
import { credentialOf, credentialsOf } from '../../credentials/of-kind.ts'
import { thumbprintS256 } from '../../pki/certificate.ts'
import { holderOf, placeOf } from '../../topology/holders.ts'
import type { Plan, PlanBoundToken, PlanCertificate, PlanCredential, Template } from '../../topology/plan.ts'
import { certificateFindings } from './certificate-findings.ts'
import type { Finding } from './finding.ts'
import { type DeclaredToken, looselyEqual, tokenFindings } from './token-findings.ts'

/** Where a preflight finds what a plan only names. */
export interface PreflightSource {
  /** The text of a file on a node. Rejects when it is not there. */
  read(node: string, path: Template): Promise<string>
  /** The root of a trust domain, as a node that trusts it has it. */
  anchor(domain: string): Promise<string>
  /** The key set of an issuer. Rejects when it cannot be had. */
  jwks(issuerUrl: string): Promise<unknown>
}

/** Less than this, and a run of scenarios may see it end. */
const SECONDS_NEEDED = 60

/** What a plan says about its credentials that compiles and yet cannot be meant. Reads nothing. */
export function declaredFindings(plan: Plan): Finding[] {
  const audiences = [
    ...Object.values(plan.nodes).map(({ host }) => `https://${host}`),
    ...Object.values(plan.trustDomains).flatMap(({ peeringAudience }) => peeringAudience ?? []),
  ]
  const issuers = Object.values(plan.trustDomains).flatMap(({ issuerUrl }) => issuerUrl ?? [])
  return [
    ...Object.values(plan.credentials).flatMap((credential) => ofDeclared(credential, audiences)),
    ...Object.values(plan.nodes).flatMap(({ name, units }) =>
      units.flatMap((unit) => {
        const believed = new Set(Object.values(unit.verification ?? {}).flatMap((one) => trustIn(one).issuer ?? []))
        return [...believed].flatMap((issuer) => strangeIssuer(`${name}/${unit.name}`, issuer, issuers))
      }),
    ),
  ]
}

function ofDeclared(credential: PlanCredential, audiences: readonly string[]): Finding[] {
  const { name, lifetimeSeconds } = credential
  const audience = credential.kind === 'bound-token' ? credential.audience : []
  const at = { thing: name, place: `credentials.${name}` }
  const findings: Finding[] = []
  if (lifetimeSeconds < SECONDS_NEEDED) {
    const message = `lives for ${lifetimeSeconds} s, less than a run of scenarios`
    findings.push({ check: 'time-left', ...at, message, wayOut: `give it a lifetime of ${SECONDS_NEEDED}s or more` })
  }
  for (const uri of audience) {
    const meant = audiences.includes(uri) ? undefined : audiences.find((known) => looselyEqual(known, uri))
    if (meant === undefined) continue
    const message = `has the audience ${uri}, which looks like ${meant} and is another text`
    findings.push({ check: 'audience-text', ...at, message, wayOut: `write ${meant}` })
  }
  return findings
}

function strangeIssuer(unit: string, issuer: string, issuers: readonly string[]): Finding[] {
  if (issuers.includes(issuer)) return []
  const place = unit.split('/')[0]!
  const message = `believes the issuer ${issuer}, which no trust domain has`
  return [{ check: 'issuer-text', thing: unit, place, message, wayOut: `name one of ${issuers.join(', ')}` }]
}

/** What is wrong with the files that lie at the holders of a plan's credentials. */
export async function fileFindings(plan: Plan, source: PreflightSource, now: number = Date.now()): Promise<Finding[]> {
  const issuers = [...new Set(declaredTokens(plan).map(({ issuer }) => issuer))]
  const published = new Map(await Promise.all(issuers.map(async (url) => [url, await kidsOf(source, url)] as const)))
  const all = Object.values(plan.credentials).map((credential) =>
    (credential.kind === 'certificate'
      ? ofCertificate(plan, source, credential, now)
      : ofToken(plan, source, credential, published, now)
    ).catch((cause: Error): Finding[] => [
      {
        ...{ check: 'readable', thing: credential.name, place: placeText(credential) },
        ...{ message: `cannot be read: ${cause.message}`, wayOut: 'see why its hand-over did not bring it' },
      },
    ]),
  )
  return [...(await Promise.all(all)).flat(), ...unpublished(published)]
}

async function ofCertificate(plan: Plan, source: PreflightSource, credential: PlanCertificate, now: number) {
  const { name, issuer, sans, lifetimeSeconds } = credential
  const [holder, path] = [holderOf(credential), placeOf(credential)]
  const [domain = ''] = Object.entries(plan.trustDomains).find(([, { ca }]) => ca === issuer) ?? []
  const [certPem, keyPem, anchorPem] = await Promise.all([
    source.read(holder, `${path}/cert.pem`),
    source.read(holder, `${path}/key.pem`),
    source.anchor(domain),
  ])
  const secondsNeeded = Math.min(SECONDS_NEEDED, lifetimeSeconds / 2)
  const files = { thing: name, place: placeText(credential), certPem, keyPem, anchorPem }
  return certificateFindings({ ...files, hosts: sans, usages: ['serverAuth', 'clientAuth'], secondsNeeded }, now)
}

async function ofToken(
  plan: Plan,
  source: PreflightSource,
  credential: PlanBoundToken,
  published: ReadonlyMap<string, readonly string[] | undefined>,
  now: number,
) {
  const { name, boundTo, lifetimeSeconds } = credential
  const holder = holderOf(credential)
  const all = declaredTokens(plan)
  const declared = all.find((token) => token.name === name)!
  const [text, certPem] = await Promise.all([
    source.read(holder, placeOf(credential)),
    source.read(holder, `${placeOf(credentialOf(plan, 'certificate', boundTo))}/cert.pem`),
  ])
  const secondsNeeded = Math.min(SECONDS_NEEDED, lifetimeSeconds / 10)
  const file = { declared, place: placeText(credential), text, thumbprint: thumbprintS256(certPem), all, secondsNeeded }
  return tokenFindings({ ...file, published: published.get(declared.issuer) }, now)
}

function declaredTokens(plan: Plan): DeclaredToken[] {
  return credentialsOf(plan, 'bound-token').map(({ name, issuer, subject, audience }) => {
    const domain = Object.values(plan.trustDomains).find((candidate) => candidate.issuer === issuer)
    return { name, issuer: domain?.issuerUrl ?? issuer, subject, audience }
  })
}

function placeText(credential: PlanCredential): string {
  return `${holderOf(credential)} ${placeOf(credential)}`
}

async function kidsOf(source: PreflightSource, url: string): Promise<string[] | undefined> {
  const set = await source.jwks(url).catch(() => undefined)
  const keys = (set as { keys?: { kid?: unknown }[] } | undefined)?.keys
  return Array.isArray(keys) ? keys.map(({ kid }) => String(kid)) : undefined
}

function unpublished(published: ReadonlyMap<string, readonly string[] | undefined>): Finding[] {
  return [...published].flatMap(([url, kids]): Finding[] =>
    kids === undefined
      ? [
          {
            ...{ check: 'key-published', thing: 'the key set', place: url },
            ...{ message: 'cannot be read', wayOut: 'see whether the issuer is up, and its jwks_uri' },
          },
        ]
      : [],
  )
}
