import dns from 'node:dns'
import { afterEach, expect, test } from 'vitest'
import { placeOf } from './dial.ts'

const { lookup } = dns
afterEach(() => {
  dns.lookup = lookup
})

const TOKEN = 'token-of-a-cluster-that-nobody-may-see-anywhere'

/** Every name leads there. */
function names(...addresses: string[]): { asked: () => number } {
  let asked = 0
  dns.lookup = ((_host: string, _options: object, done: (failure: null, found: dns.LookupAddress[]) => void) => {
    asked += 1
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    process.nextTick(() => done(null, found))
  }) as unknown as typeof dns.lookup
  return { asked: () => asked }
}

async function judged(url: string, { token, ca }: { token?: string; ca?: string[] } = { token: TOKEN }) {
  const notes: string[] = []
  const place = await placeOf(new URL(url), { token, ca, note: (text) => notes.push(text) })
  return { addresses: place.addresses.map(({ address }) => address), notes }
}

test('addresses of this machine are dialled in clear without a word', async () => {
  for (const host of ['127.0.0.1', '127.200.3.4', '[::1]']) {
    expect(await judged(`http://${host}:8770`)).toEqual({ addresses: [host.replace(/[[\]]/g, '')], notes: [] })
  }
})

test.each(['10.1.2.3', '172.31.255.255', '192.168.0.1', '169.254.9.9', '[fd00::1]', '[fe80::1]'])(
  'of %s it is told that the token can be read on the way',
  async (host) => {
    const { notes } = await judged(`http://${host}:8770`)
    expect(notes).toEqual([expect.stringContaining(`the token crosses the network to ${host}:8770 in clear`)])
    expect((await judged(`http://${host}:8770`, {})).notes).toEqual([])
  },
)

test.each(['203.0.113.10', '172.32.0.1', '100.64.0.1', '0.0.0.0', '[::]', '[2001:db8::1]', '[::ffff:203.0.113.10]'])(
  '%s is not dialled in clear, with a token or without',
  async (host) => {
    const refused = { code: 'peer_plaintext', exitCode: 3 }
    await expect(judged(`http://${host}:8770`)).rejects.toMatchObject(refused)
    await expect(judged(`http://${host}:8770`, {})).rejects.toMatchObject(refused)
    expect((await judged(`https://${host}:8770`, { token: TOKEN, ca: ['root'] })).addresses).toHaveLength(1)
  },
)

test('of a name every address is judged, and those are dialled which were', async () => {
  const { asked } = names('127.0.0.1', '::1')
  expect((await judged('http://orc-1.example:8770')).addresses).toEqual(['127.0.0.1', '::1'])
  expect(asked()).toBe(1)
  names('127.0.0.1', '203.0.113.10')
  await expect(judged('http://orc-1.example:8770')).rejects.toThrow('leads to 203.0.113.10')
})
