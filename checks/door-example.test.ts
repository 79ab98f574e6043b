import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { vi } from 'vitest'
import { describeSite } from '../harness/cli/describe-site.ts'
import { expect, matrix, scenario, spoiled } from '../harness/vitest.ts'

// Sites of their own, one after the other.
vi.setConfig({ testTimeout: 300_000 })

const file = '../docs/guides/examples/door/lab.ts'
const shell = promisify(execFile)

await matrix(file)

const enter = scenario(file)

enter('the door of the guide lets in whom its CA has signed, and nobody else', async ({ site, credential }) => {
  // #region scenario
  const alice = credential('cert-alice')
  const refusal = { layer: 'tls', guard: 'door.tls' } as const

  expect(await site.call('alice', 'door', 'door:enter', alice)).toBeAccepted()
  expect(await site.call('alice', 'door', 'door:enter', alice.withoutCertificate())).toBeRefused({
    ...refusal,
    reason: 'cert_missing',
  })
  expect(await site.call('alice', 'door', 'door:enter', alice.over(credential('cert-mallory')))).toBeRefused({
    ...refusal,
    reason: 'cert_untrusted',
  })
  // #endregion
})

enter('the same names by a CA that nobody trusts are refused, over either version', async ({ site, credential }) => {
  const authority = await site.authority('ca')
  const rogue = credential('cert-alice').withCertificate(
    () => spoiled.otherCa({ authority, subject: 'alice.lab.test', sans: ['alice.lab.test'] }),
    'of a CA that nobody trusts',
  )
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    const verdict = await site.call('alice', 'door', 'door:enter', rogue, { handshake: { version } })
    expect(verdict).toBeRefused({ reason: 'cert_untrusted' })
    expect(verdict).toMatchObject({
      layer: 'tls',
      status: null,
      effects: { unobservable: 'kind door has no observation' },
    })
  }
})

enter('a refusal that was expected otherwise is told in words of TLS', async ({ site, credential }) => {
  const verdict = await site.call('alice', 'door', 'door:enter', credential('cert-alice').withoutCertificate())
  const received = 'received  refused at TLS (closed), reason cert_missing'

  expect(verdict).toBeRefused({ reason: 'cert_missing' })
  expect(() => expect(verdict).toBeRefused({ reason: 'cert_expired' })).toThrow(received)
  expect(() => expect(verdict).toBeRefused({ reason: 'cert_missing', error: 'certificate_required' })).toThrow(
    'alert none, expected certificate_required',
  )
  expect(() => expect(verdict).toBeRefused({ reason: 'cert_missing', status: 401 })).toThrow(
    'a handshake has no status, expected 401',
  )
})

enter('what only a request can do otherwise is no option of a handshake', async ({ site, credential }) => {
  const call = site.call('alice', 'door', 'door:enter', credential('cert-alice'), { path: '/x', raw: undefined })
  await expect(call).rejects.toThrow(
    'door:enter is spoken in tls, where a call has no path; it has handshake, listener',
  )
  const second = site.call('alice', 'door', 'door:enter', credential('cert-alice'), { first: credential('cert-alice') })
  await expect(second).rejects.toThrow('a connection has one handshake')
})

enter('what up prints is pasted into a shell, and says who is let in', async ({ site }) => {
  const door = describeSite(site.site).nodes.find(({ name }) => name === 'door')!
  const asAlice = door.calls.find(({ summary }) => summary.includes('cert-alice'))!.command
  const asMallory = asAlice
    .replaceAll('/nodes/alice/credentials', '/nodes/mallory/credentials')
    .replaceAll('cert-alice', 'cert-mallory')
  const said = async (command: string) => {
    return (await shell('sh', ['-c', `${command} 2>&1`]).catch((failure) => failure)).stdout as string
  }

  expect(await said(asAlice)).toMatch(/Verified peername: door\.lab\.test[\s\S]*\nDONE\n/)
  expect(await said(asMallory)).not.toContain('DONE')
  expect((await site.decisions('door')).slice(-2)).toMatchObject([
    { verdict: 'accepted' },
    { reason: 'cert_untrusted' },
  ])
})
