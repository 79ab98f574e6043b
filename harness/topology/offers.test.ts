import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { TokenIssuer } from '../credentials/bound-token/planned.ts'
import type { Authority } from '../credentials/certificate/planned.ts'
import { credentialOf } from '../credentials/of-kind.ts'
import { compile, credentialKinds, kinds, trustGraph } from '../shipped.ts'
import { deriveMatrix } from '../trust/matrix.ts'
import { declaredFindings } from '../trust/preflight/preflight.ts'
import type { Compilation } from './compilation.ts'
import type { Offer, ServiceKind } from './kind.ts'
import { issuerOf } from './offers.ts'
import type { TopologyInput } from './schema.ts'

const lab = join(import.meta.dirname, '..', '..', 'docs', 'guides', 'examples', 'gateway', 'lab.json')

async function labOf(): Promise<TopologyInput> {
  return JSON.parse(await readFile(lab, 'utf8'))
}

/** With a service kind that offers something else. */
function compileWith(value: TopologyInput, name: string, offers: (kind: ServiceKind) => ServiceKind['offers']) {
  const kind = kinds.get(name)!
  return compile(value, { kinds: new Map([...kinds, [name, { ...kind, offers: offers(kind) }]]) })
}

test('a node issues although no trust domain names it', async () => {
  const value = await labOf()
  delete value.trustDomains.lab!.issuer
  value.nodes.gateway!.units.gateway!.settings!.issuer = 'auth'
  const plan = compile(value)
  const { classes } = deriveMatrix(plan, credentialKinds)

  expect(credentialOf(plan, 'bound-token', 'shop').iss).toBe('https://auth.lab.test:8443')
  expect(classes.map(({ control }) => control.presents.token?.credential)).toContain('shop')
  expect(trustGraph(plan).issuers).toContainEqual({ node: 'auth', domain: 'lab', issues: 'bound-token' })
  expect(declaredFindings(plan, credentialKinds)).toEqual([])
})

test('a holder asks for its token itself, with its own certificate, where its issuer says so', async () => {
  const value = await labOf()
  const plan = compileWith(value, 'auth-server', ({ offers }) => {
    return { 'bound-token': (unit): TokenIssuer => ({ ...offers!['bound-token']!(unit), by: 'holder' }) }
  })
  const { holders, mint } = credentialOf(plan, 'bound-token', 'shop')
  const unit = plan.nodes[holders[0]!]!.units.find(({ name }) => name === 'shop')!

  expect(mint.mint.tls).toEqual(mint.prove!.tls)
  expect(unit.steps).toMatchObject([{ receive: { from: holders[0], source: { mint: mint.mint } } }])
})

test('a CA whose root is not that of a trust domain signs nothing of use; one without a root of its own does', async () => {
  const value = await labOf()
  value.nodes.below = { ...JSON.parse(JSON.stringify(value.nodes.ca)), host: 'below.lab.test' }
  const certificate = Object.values(value.credentials).find(({ kind }) => kind === 'certificate')!
  certificate.issuer = 'below'

  expect(() => compile(value)).toThrow('"below" is the CA of no trust domain')
  const plan = compileWith(value, 'step-ca', ({ offers }) => {
    const certificate = (unit: Parameters<NonNullable<typeof offers>['certificate'] & {}>[0]): Authority => {
      const offered = offers!.certificate!(unit)
      return { ...offered, root: unit.node === 'below' ? undefined : offered.root }
    }
    return { certificate }
  })
  const signed = Object.values(plan.credentials).find(({ issuer }) => issuer === 'below')
  expect(signed).toMatchObject({ enrol: { ca: 'below', anchor: '@{dir}/anchors/lab.pem' } })
})

test.each([
  [true, 'give it a unit of kind desk'],
  [false, 'no service kind here offers a pin-code: add one that does to kinds'],
])(
  'who offers what nobody does, told by a kind without a role (is there a service kind: %s)',
  async (isOffered, wayOut) => {
    const value = await labOf()
    value.credentials.pin = { kind: 'pin-code', issuer: 'auth', holder: 'shop', handover: 'copy' } as never
    const desk = { ...kinds.get('exec')!, name: 'desk', offers: { 'pin-code': (): Offer => ({}) } as never }
    const pinCode = {
      ...credentialKinds.find(({ name }) => name === 'bearer-secret')!,
      name: 'pin-code',
      schema: z.looseObject({ kind: z.literal('pin-code') }),
      resolve: (compilation: Compilation, { path }: { path: readonly string[] }) =>
        void issuerOf(compilation, 'pin-code' as never, 'auth', path),
    } as never
    const options = { credentialKinds: [...credentialKinds, pinCode], kinds: new Map(kinds) }
    if (isOffered) options.kinds.set('desk', desk)
    expect(() => compile(value, options)).toThrow(
      `credentials.pin.issuer: "auth" has no unit that makes secrets; ${wayOut}`,
    )
  },
)
