import { expect, scenario } from 'holdfast/vitest'
import { type Asking, lend } from '../asking.ts'
import { type Federation, federation } from '../federation.ts'

const test = scenario('federation', { own: true, waits: true, needs: ['pause', 'partition'] }).extend(
  'federation',
  federation,
)

/** The circuit may have opened, which lasts for 30 s. */
const backMs = 60_000

async function stateOf(federation: Federation, { peerId: id }: Asking): Promise<string> {
  return (await (await federation.asAdmin('a')).ask('peer:show', { parameters: { id } })).state
}

const trouble: readonly (readonly [
  what: string,
  begin: (f: Federation) => Promise<void>,
  end: (f: Federation) => Promise<void>,
])[] = [
  ['is silent', (f) => f.site.node('gateway-b').pause(), (f) => f.site.node('gateway-b').resume()],
  ['is cut off', (f) => f.site.partition('gateway-a', 'gateway-b'), (f) => f.site.heal()],
  [
    'is cut off, and the CA with it, so that no list says anything',
    async (f) => {
      await f.site.partition('gateway-a', 'ca')
      await f.site.partition('gateway-a', 'gateway-b')
    },
    (f) => f.site.heal(),
  ],
  ['is killed', (f) => f.site.node('gateway-b').kill('gateway'), (f) => f.site.node('gateway-b').start('gateway')],
  ['is stopped', (f) => f.site.node('gateway-b').stop('gateway'), (f) => f.site.node('gateway-b').start('gateway')],
  [
    'is killed, and the CA with it, so that no list says anything',
    async (f) => {
      await f.site.node('ca').stop()
      await f.site.node('gateway-b').kill('gateway')
    },
    async (f) => {
      await f.site.node('ca').start()
      await f.site.node('gateway-b').start('gateway')
    },
  ],
]

test.for(trouble)(
  'a lender that %s costs rows, and the peer stays as it is',
  async ([, begin, end], { federation, site }) => {
    const asking = await lend(federation)
    const { user, source } = asking
    const search = () => user.search('task', { source })
    expect((await search()).value._partial).toBe(false)

    // Some are on their way when it happens: fewer than would open the circuit.
    const under = Array.from({ length: 2 }, search)
    await begin(federation)
    try {
      const away = await search()
      expect([away.status, away.value.items, away.value._partial]).toEqual([200, [], true])
      expect(away.value._sources).toMatchObject([{ source, state: 'offline' }])
      for (const reply of await Promise.all(under)) expect(reply.status).toBe(200)
      expect(await stateOf(federation, asking)).toBe('active')
    } finally {
      await end(federation)
    }
    const isBack = async () => !(await search()).value._partial
    await site.until('rows to come again', isBack, { withinMs: backMs, everyMs: 250 })
    expect(await stateOf(federation, asking)).toBe('active')
  },
)

test('what is revoked is known by the list', async ({ federation, site }) => {
  const asking = await lend(federation)
  const admin = await federation.asAdmin('b')
  expect((await asking.user.search('task', { source: asking.source })).status).toBe(200)

  await admin.revoke(asking.grantId)
  const isKnown = async () => {
    await asking.user.search('task', { source: asking.source })
    return (await stateOf(federation, asking)) === 'revoked'
  }
  await site.until('the asker to know', isKnown, { withinMs: backMs, everyMs: 250 })
  const listed = await admin.grant(asking.grantId)
  expect(listed.certificateRevocation).toBe('effective')
})
