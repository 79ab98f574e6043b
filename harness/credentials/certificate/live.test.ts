import { X509Certificate } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { rogueAuthority, type SigningAuthority } from '../../pki/authority.ts'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { unspoiled } from '../../pki/spoiled.ts'
import type { ActionVerification } from '../../topology/verification.ts'
import type { JudgedCall, MadeRecord } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import { liveCertificate as live } from './live.ts'
import type { PlanCertificate } from './planned.ts'

const planned = {
  ...{ name: 'cert-b', kind: 'certificate', issuer: 'ca', holders: ['b'], files: { b: '@{dir}/cert-b' } },
  ...{ subject: 'b.test', sans: ['b.test'], enrol: { ca: 'ca' } },
} as unknown as PlanCertificate

let authority: SigningAuthority
let own: Identity
let site: LiveSite

beforeAll(async () => {
  authority = await rogueAuthority('Root of ca')
  own = await unspoiled({ authority, subject: 'b.test', sans: ['b.test'] })
  site = {
    enrol: async () => own,
    authority: async () => authority,
    read: async (node: string, path: string) => `${node} ${path}`,
  } as unknown as LiveSite
})

test('it is made by its CA, and what is held are the files in its folder', async () => {
  expect(await live.fresh(planned, site, 'b')).toEqual({ certificate: own })
  const held = { certPem: 'b @{dir}/cert-b/cert.pem', keyPem: 'b @{dir}/cert-b/key.pem' }
  expect(await live.held(planned, site, 'b')).toEqual({ certificate: held })
})

test('spoiled ones have its names, and are not what its CA would make', async () => {
  const leafOf = async (state: string) => {
    const { certificate } = await live.spoil[state]!({ certificate: own }, planned, site)
    return new X509Certificate(certificate!.certPem)
  }
  const root = new X509Certificate(authority.anchorPem)
  const [expired, unknown] = [await leafOf('expired'), await leafOf('of an unknown CA')]
  expect([expired.subjectAltName, unknown.subjectAltName]).toEqual(['DNS:b.test', 'DNS:b.test'])
  expect([expired.checkIssued(root), unknown.checkIssued(root)]).toEqual([true, false])
  expect(expired.validToDate.getTime()).toBeLessThan(Date.now())
})

test('an accept names its thumbprint, and nothing of its key is shown', () => {
  const summary = live.summary({ certificate: own })!
  expect(live.proves(summary)).toEqual({ 'x5t#S256': thumbprintS256(own.certPem) })
  expect(JSON.stringify(summary)).not.toContain(own.keyPem.split('\n')[1])
  expect(live.summary({ token: 'x' })).toBeUndefined()
})

test('it is enough by itself where it names an operator', () => {
  const settling = (sans: string[]) => {
    return { checks: [{ check: 'certificate/named', settles: true, args: { sans } }] } as unknown as ActionVerification
  }
  expect(live.suffices!({ certificate: own }, settling(['b.test']))).toBe(true)
  expect(live.suffices!({ certificate: own }, settling(['c.test']))).toBe(false)
  expect(live.suffices!({}, settling(['b.test']))).toBe(false)
})

test('a refusal names it once the connection is proven, and no other one', () => {
  const call = (rest: Partial<JudgedCall> = {}) => ({
    credential: { certificate: { thumbprint: 'X', chain: [] } },
    ...rest,
  })
  const problems = (proven: string | undefined, layer: string, rest?: Partial<JudgedCall>) => {
    const principal = proven === undefined ? {} : { 'x5t#S256': proven }
    return live.refusalProblems!(call(rest) as JudgedCall, { layer, principal } as unknown as MadeRecord)
  }
  expect(problems('X', 'http')).toEqual([])
  expect(problems(undefined, 'http')).toEqual(['the record names nobody as proven, presented was X'])
  expect(problems(undefined, 'tls')).toEqual([])
  expect(problems(undefined, 'http', { control: { element: 'listener' } })).toEqual([])
  expect(problems('Y', 'tls')).toEqual(['the record holds x5t#S256 Y as proven, presented was X'])
  expect(problems('Y', 'http', { credential: {} })).toEqual([
    'the record holds x5t#S256 Y as proven, presented was nothing',
  ])
})
