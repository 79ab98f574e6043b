import { durationSeconds } from '../../topology/duration.ts'
import type { UnitContext } from '../../topology/kind.ts'
import type { PlanFile, Step } from '../../topology/plan.ts'
import { goDuration, type Provisioner, type Settings } from './settings.ts'

// A CA with several provisioners: services/ca-setup makes its keys, encrypted, and the CRL of its root.

type Unit = UnitContext<Settings>

const password = '@{unit}/password'

/** Where services/ca-setup lays what signs. */
export const madeSigners = {
  root: { cert: '@{unit}/authority/root.crt', key: '@{unit}/authority/root.key', password },
  issuing: { cert: '@{unit}/authority/ca.crt', key: '@{unit}/authority/ca.key', password },
}

/** Makes all keys, unless they are there. */
export function initSteps(domain: string, provisioners: readonly string[]): Step[] {
  const json = { step: '@{tool:step}', dir: '@{unit}', name: domain, passwordFile: password, provisioners }
  return [
    { secret: { path: password, bytes: 24 } },
    { write: { path: '@{unit}/setup.json', json } },
    {
      run: {
        program: { service: 'ca-setup', starts: [{ tool: 'step' }] },
        args: ['init', '--config', '@{unit}/setup.json'],
      },
    },
  ]
}

/** Reports lives that do not fit together. */
export function demandProvisioners({ settings, mistake }: Unit): void {
  for (const [name, provisioner] of Object.entries(settings.provisioners ?? {})) {
    const { defaultTLSCertDuration: asked = settings.defaultLifetime } = provisioner.claims
    const { minimum, maximum } = livesOf(settings, provisioner)
    if (durationSeconds(asked) >= durationSeconds(minimum) && durationSeconds(asked) <= durationSeconds(maximum))
      continue
    const what = `is ${asked} and must lie between ${minimum} and ${maximum}`
    mistake(`settings.provisioners.${name}.claims.defaultTLSCertDuration`, what)
  }
  const { cacheDuration = '24h', renewPeriod } = settings.crl ?? {}
  if (renewPeriod !== undefined && durationSeconds(renewPeriod) >= durationSeconds(cacheDuration)) {
    mistake(
      'settings.crl.renewPeriod',
      `is ${renewPeriod}, so that a CRL would end (after ${cacheDuration}) before the next`,
    )
  }
}

function livesOf({ minimumLifetime, maximumLifetime }: Settings, { claims }: Provisioner) {
  const { minTLSCertDuration: minimum = minimumLifetime, maxTLSCertDuration: maximum = maximumLifetime } = claims
  return { minimum, maximum }
}

/** What has certificates signed, by provisioner. `folder`: of the unit, for whoever reads it elsewhere on the node. */
export function keysOf(settings: Settings, provisioners: Record<string, Provisioner>, folder: string) {
  return Object.fromEntries(
    Object.entries(provisioners).map(([name, provisioner]) => {
      const { minimum, maximum } = livesOf(settings, provisioner)
      const { usages } = provisioner
      return [
        name,
        {
          ...{ keyFile: `${folder}/provisioners/${name}/private.json`, passwordFile: `${folder}/password` },
          ...{ minimumLifetime: durationSeconds(minimum), maximumLifetime: durationSeconds(maximum), usages },
        },
      ]
    }),
  )
}

/** Templates of their certificates: a file of the user's, or one of ours. */
export function templatesOf(unit: Unit, url: string): PlanFile[] {
  const { provisioners = {}, crl } = unit.settings
  const crlUrl = crl?.enabled ? crlUrlOf(crl, url) : undefined
  const values: Record<string, string> = crlUrl === undefined ? {} : { crl_url: crlUrl }
  return Object.entries(provisioners).map(([name, { template, usages = ['serverAuth', 'clientAuth'] }]) => {
    const path = templateOf(name)
    if (template === undefined) return { path, text: templateFor(usages, crlUrl) }
    if (typeof template === 'string') return { path, from: { path: unit.resolve(template), values } }
    return { path, text: filledIn(unit, name, template.text, values) }
  })
}

function filledIn(unit: Unit, name: string, text: string, values: Record<string, string>): string {
  return text.replaceAll(/@\{([^}]*)\}/g, (whole, placeholder: string) => {
    const value = values[placeholder]
    const known = Object.keys(values).map((one) => `@{${one}}`)
    if (value === undefined) {
      const there = known.length === 0 ? 'without a CRL there is nothing to name' : `there is ${known.join(', ')}`
      unit.mistake(`settings.provisioners.${name}.template.text`, `${whole} stands for nothing; ${there}`)
    }
    return value ?? ''
  })
}

function templateOf(name: string): string {
  return `@{unit}/templates/${name}.tpl`
}

/** As step-ca's own for leaves, and where the CRL is: OpenSSL applies one with a distribution point to certificates that name it. */
function templateFor(usages: readonly string[], crlUrl: string | undefined): string {
  const members = [
    '"subject": {{ toJson .Subject }}',
    '"sans": {{ toJson .SANs }}',
    '"keyUsage": ["digitalSignature"]',
    `"extKeyUsage": ${JSON.stringify(usages)}`,
    ...(crlUrl === undefined ? [] : [`"crlDistributionPoints": ${JSON.stringify([crlUrl])}`]),
  ]
  return `{\n  ${members.join(',\n  ')}\n}\n`
}

/** The provisioners in the configuration of step-ca. */
export function provisionersOf(provisioners: Record<string, Provisioner>): unknown[] {
  return Object.entries(provisioners).map(([name, { type, claims }]) => {
    const { disableRenewal, ...durations } = claims
    const lives = Object.entries(durations).flatMap(([claim, life]) => (life ? [[claim, goDuration(life)]] : []))
    return {
      ...{ type, name, key: `@{json:provisioners/${name}/public.json}` },
      claims: { ...Object.fromEntries(lives), disableRenewal },
      options: { x509: { templateFile: templateOf(name) } },
    }
  })
}

/** Its revocation list in the configuration of step-ca. */
export function crlOf({ crl }: Settings, url: string) {
  if (crl === undefined) return {}
  const { enabled, generateOnRevoke, cacheDuration, renewPeriod } = crl
  const period = renewPeriod === undefined ? {} : { renewPeriod: goDuration(renewPeriod) }
  const idpURL = crlUrlOf(crl, url)
  return { crl: { enabled, generateOnRevoke, cacheDuration: goDuration(cacheDuration), ...period, idpURL } }
}

function crlUrlOf({ idpURL }: NonNullable<Settings['crl']>, url: string): string {
  return idpURL ?? `${url}/1.0/crl`
}
