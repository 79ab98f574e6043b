import { expect, scenario } from 'holdfast/vitest'
import { federation, naming, provisionerExtension, provisionerOid, type RawExtension } from '../federation.ts'
import { atTls, forbidden, oids, stateOf, unauthorized } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const uuid = 'b3c1f7de-5a0e-4a4e-9d6f-2f1f6a1d7c11'
const text = Buffer.from(uuid)
const utf8 = (content: Uint8Array | string, length = Buffer.from(content).length) =>
  Buffer.concat([Buffer.from([0x0c, length]), Buffer.from(content)])

/** What stands there in the place of the right bytes. */
const malformed: Readonly<Record<string, Uint8Array>> = {
  'no bytes at all': Buffer.alloc(0),
  'an empty text': utf8(''),
  NULL: Buffer.from([5, 0]),
  'text that is no UUID': utf8('alice'),
  'the nil UUID': utf8('00000000-0000-0000-0000-000000000000'),
  'upper case': utf8(uuid.toUpperCase()),
  'one digit in upper case': utf8(uuid.replace('d', 'D')),
  'no hyphens': utf8(uuid.replaceAll('-', '')),
  'braces around it': utf8(`{${uuid}}`),
  'a URN': utf8(`urn:uuid:${uuid}`),
  'a blank before it': utf8(` ${uuid}`),
  'a line feed after it': utf8(`${uuid}\n`),
  'a NUL after it': utf8(`${uuid}\0`),
  'a byte order mark before it': utf8(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), text])),
  'a byte that is no UTF-8': utf8(Buffer.concat([text.subarray(1), Buffer.from([0xff])])),
  'one digit too few': utf8(uuid.slice(1)),
  'a PrintableString': Buffer.concat([Buffer.from([0x13, 36]), text]),
  'an IA5String': Buffer.concat([Buffer.from([0x16, 36]), text]),
  'an OCTET STRING': Buffer.concat([Buffer.from([0x04, 36]), text]),
  'a constructed string': Buffer.concat([Buffer.from([0x2c, 38]), utf8(uuid)]),
  'no tag': text,
  'a length in a longer form': Buffer.concat([Buffer.from([0x0c, 0x81, 36]), text]),
  'a length without an end': Buffer.concat([Buffer.from([0x0c, 0x80]), text, Buffer.from([0, 0])]),
  'a length beyond its end': Buffer.concat([Buffer.from([0x0c, 37]), text]),
  'bytes after it': Buffer.concat([utf8(uuid), Buffer.from([0])]),
  'another one after it': Buffer.concat([utf8(uuid), utf8(uuid)]),
}

type Change = (all: readonly RawExtension[]) => readonly RawExtension[]
const instead =
  (oid: string, ...others: readonly RawExtension[]): Change =>
  (all) => [...all.filter((one) => one.oid !== oid), ...others]

test.for(['grant', 'subject'] as const)('the extension of the %s (FED-19, FED-20)', async (of, { federation }) => {
  const oid = oids[of]
  const peer = await federation.asPeer('scope-a')
  const right = await peer.list('tasks')
  const state = await stateOf(federation, [peer.grant.grantId])
  const own = of === 'grant' ? peer.grant.grantId : peer.grant.subjectUserId
  const cases: [string, string, Change][] = [
    ['none', 'missing', instead(oid)],
    ['the same twice', 'repeated', (all) => [...all, naming(oid, own)]],
    ['two that differ', 'repeated', (all) => [naming(oid, uuid), ...all]],
    ...Object.entries(malformed).map(([what, der]): [string, string, Change] => [
      what,
      'malformed',
      instead(oid, { oid, critical: false, der }),
    ]),
  ]

  for (const [what, problem, added] of cases) {
    const reply = await (await federation.forge(peer, { added })).list('tasks')
    await expectRefused(federation, reply, unauthorized(`cert.oid-${of}`, `oid_${of}_${problem}`), { what })
    expect(reply.header('www-authenticate'), what).toBe('ClientCertificate realm="federation"')
  }

  expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)
  expect((await peer.list('tasks')).value).toEqual(right.value)
  // Written once more as it was, it is read, and the certificate comes as far as what the lender has registered.
  const same = await federation.forge(peer, { added: instead(oid, naming(oid, own)) })
  await expectRefused(federation, await same.list('tasks'), forbidden('grant.certificate', 'cert_unregistered'))
})

test('neither of the two, and each in the place of the other', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const { grantId, subjectUserId } = peer.grant
  const neither = await federation.forge(peer, { added: (all) => instead(oids.subject)(instead(oids.grant)(all)) })
  await expectRefused(federation, await neither.list('tasks'), unauthorized('cert.oid-grant', 'oid_grant_missing'))

  const swapped: Change = (all) =>
    instead(oids.grant, naming(oids.grant, subjectUserId), naming(oids.subject, grantId))(instead(oids.subject)(all))
  const crossed = await federation.forge(peer, { added: swapped })
  await expectRefused(federation, await crossed.list('tasks'), forbidden('grant.known', 'grant_unknown'))
})

test.for(['grant', 'subject'] as const)(
  'marked as critical, the extension of the %s ends the handshake (TLS-08)',
  async (of, { federation }) => {
    const peer = await federation.asPeer('scope-a')
    const added: Change = (all) => all.map((one) => (one.oid === oids[of] ? { ...one, critical: true } : one))
    await expectRefused(
      federation,
      await (await federation.forge(peer, { added })).list('tasks'),
      atTls('cert_untrusted'),
    )
  },
)

test('the right extensions by another provisioner of the same CA (FED-25)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  let right: RawExtension | undefined
  await federation.forge(peer, {
    added: (all) => {
      right = all.find(({ oid }) => oid === provisionerOid)
      return all
    },
  })
  const kid = /[\w-]{43}$/.exec(Buffer.from(right!.der).toString('latin1'))![0]
  const cases: Readonly<Record<string, readonly RawExtension[]>> = {
    'no provisioner': [],
    'another name': [provisionerExtension({ name: 'gateway-server', kid })],
    'the name in another case': [provisionerExtension({ name: 'Mosaic-Fed', kid })],
    'a name that begins alike': [provisionerExtension({ name: 'mosaic-fed-2', kid })],
    'another key': [provisionerExtension({ name: 'mosaic-fed', kid: `x${kid.slice(1)}` })],
    'the right one and another': [right!, provisionerExtension({ name: 'gateway-server', kid })],
  }

  for (const [what, others] of Object.entries(cases)) {
    const reply = await (await federation.forge(peer, { added: instead(provisionerOid, ...others) })).list('tasks')
    await expectRefused(federation, reply, unauthorized('cert.provisioner', 'cert_provisioner'), { what })
  }
  const same = instead(provisionerOid, provisionerExtension({ name: 'mosaic-fed', kid }))
  const control = await federation.forge(peer, { added: same })
  await expectRefused(federation, await control.list('tasks'), forbidden('grant.certificate', 'cert_unregistered'))
})

test('a certificate for more than clients, or of an authority, is no identity', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const cases = {
    'for servers as well': { eku: ['clientAuth', 'serverAuth'] },
    'without any purpose': { eku: [] },
    'of an authority': { isAuthority: true },
  } as const
  for (const [what, how] of Object.entries(cases)) {
    const reply = await (await federation.forge(peer, how)).list('tasks')
    await expectRefused(federation, reply, unauthorized('cert.profile', 'cert_profile'), { what })
  }
})
