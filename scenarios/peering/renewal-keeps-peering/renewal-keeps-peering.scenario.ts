import { randomUUID } from 'node:crypto'
import {
  describe,
  expect,
  inspectToken,
  issueLeaf,
  type ScenarioSite,
  type ScriptedPeer,
  scenario,
  thumbprintS256,
} from 'holdfast/vitest'

const set = { renewal: 'on', certificateLifetime: '4h', nodeCertificateLifetime: '10m' }
/** `shared`: nodes fetch their tokens themselves. `separate`: those for peers are minted and handed over by the other side. */
const variants = (['shared', 'separate'] as const).map(
  (auth) => [auth, scenario('transit', { waits: true, clock: 'movable', set: { auth, ...set } })] as const,
)
const nodes = ['node-a', 'node-b', 'node-c']
const route = { protocol: 'http', endpoint: 'https://orders.a.test/' }
const minute = 60
/** Seconds that the clocks of a site have been moved in all: the next site begins at the machine's time. */
let moved = 0

describe.for(variants)('auth servers: %s', ([auth, test]) => {
  const toB = auth === 'shared' ? 'node-a' : 'peer-a-to-b'

  test('three renewals of every node: B never takes a route of A back', { timeout: 120_000 }, async ({ site }) => {
    const operator = site.operator('node-a')
    expect(await operator.put('/v1/routes/a.test/orders', route)).toMatchObject({ status: 201 })
    await site.until('C has the route', () => hasRoute(site), { withinMs: 20_000 })
    const witness = await witnessBeside(site, auth)
    await site.until('B has told the witness of it', () => tables(witness).length === 1, { withinMs: 10_000 })

    for (let round = 1; round <= 3; round += 1) {
      const before = await Promise.all(nodes.map((node) => certificateOf(site, node)))
      const told = tables(witness).length
      await move(site, 7 * minute)
      const renewed = async () => {
        expect(await hasRoute(site), `the route in round ${round}`).toBe(true)
        const isTold = tables(witness).length > told
        return isTold && (await haveRenewed(site, before)) && (await allConnectedAnew(site))
      }
      await site.until(`every session runs over new certificates, round ${round}`, renewed, { withinMs: 30_000 })
    }
    // What B says to one neighbour it says to all: C was told nothing else.
    expect(operations(witness)).toEqual(tables(witness).map(() => 'announce'))

    expect(await operator.delete('/v1/routes/a.test/orders')).toMatchObject({ status: 204 })
    const heard = () => operations(witness).at(-1) === 'withdraw'
    await site.until('the witness hears of a withdrawal', heard, { withinMs: 5_000 })
    expect(await site.operator('node-b').delete('/v1/peers/witness')).toMatchObject({ status: 204 })
  })

  test('the token of the certificate before is refused over the new one', { timeout: 60_000 }, async ({
    site,
    credential,
  }) => {
    const old = await site.held(toB)
    const { x5t } = await certificateOf(site, 'node-a')
    await move(site, 7 * minute)
    const now = await site.until('A holds a token for its new certificate', () => newlyHeld(site, toB, x5t), {
      withinMs: 30_000,
    })

    const right = credential(toB).withCertificate(now.certificate!).withToken(now.token!)
    expect(await site.call('node-a', 'node-b', 'peering:connect', right)).toBeAccepted()
    expect(
      await site.call('node-a', 'node-b', 'peering:connect', right.withToken(old.token!, 'of the old one')),
    ).toBeRefused({ status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch', guard: 'token.binding' })
  })

  test('a token that nobody renews: its certificate stays for it, with a deadline', { timeout: 60_000 }, async ({
    site,
  }) => {
    const before = await Promise.all(nodes.map((node) => certificateOf(site, node)))
    const notAfter = before[0]?.notAfter ?? 0
    const { token: peerToken } = await site.held(toB)
    expect(await site.operator('node-a').patch('/v1/peers/node-b', { peerToken })).toMatchObject({ status: 200 })
    await move(site, 7 * minute)
    const told = async () => (await haveRenewed(site, before)) && (await stateOf(site, 'node-a')).peers[0]?.outbound
    const { rebindRequired: deadline } = await site.until('all have renewed', told, { withinMs: 30_000 })
    expect(Date.parse(deadline ?? '')).toBe(notAfter)
    expect((await stateOf(site, 'node-a')).peers).toMatchObject([{ name: 'node-b', outbound: { state: 'connected' } }])

    await move(site, secondsUntil(notAfter))
    const needy = async () => (await stateOf(site, 'node-a')).peers[0]?.state === 'needs-token'
    await site.until('the peer needs a token', needy, { withinMs: 10_000 })

    const { token: renewed } = await site.held(toB)
    const patched = await site.operator('node-a').patch('/v1/peers/node-b', { peerToken: renewed })
    expect(patched).toMatchObject({ status: 200 })
    const isBack = async () => (await stateOf(site, 'node-a')).peers[0]?.outbound.state === 'connected'
    await site.until('A dials at once with a token for its new certificate', isBack, { withinMs: 5_000 })
  })

  test('without the CA: unready in time, and the session ends with the certificate', { timeout: 60_000 }, async ({
    site,
  }) => {
    const isIn = async () =>
      (await stateOf(site, 'node-b')).peers.find(({ name }) => name === 'node-c')?.inbound.state === 'connected'
    await site.until('C is in at B', isIn, { withinMs: 10_000 })
    try {
      await site.node(auth === 'shared' ? 'ca' : 'ca-c').stop('ca')
      // Where one CA is for both, that of B may end first: then it is C that leaves.
      const [{ notAfter: ofB }, { notAfter: ofC }] = [
        await certificateOf(site, 'node-b'),
        await certificateOf(site, 'node-c'),
      ]
      const notAfter = Math.min(ofB, ofC)
      await move(site, secondsUntil(notAfter) - 50)
      const ending = async () => {
        const { json } = await site.operator('node-c').get('/readyz')
        return (json as { reason?: string }).reason === 'certificate_ending'
      }
      await site.until('C says that it will be unready', ending, { withinMs: 10_000 })

      await move(site, secondsUntil(notAfter) - 3)
      const ended = async () => {
        const inbound = (await stateOf(site, 'node-b')).peers.find(({ name }) => name === 'node-c')?.inbound
        return inbound?.lastError === 'certificate_ended' ? inbound : undefined
      }
      const { since } = await site.until('the session of C at B has ended', ended, { withinMs: 10_000 })
      const tookMs = Date.parse(since) - notAfter
      expect(tookMs).toBeGreaterThanOrEqual(0)
      // A clock that was moved is noticed within a second, as the node looks at it once in each.
      expect(site.measured('a session ends after its certificate', tookMs, 2_000)).toBeLessThanOrEqual(2_000)
    } finally {
      await move(site, -moved)
    }
  })
})

/** A neighbour of B in the place of C, at another port, that writes down every frame: a look now and then would miss some. */
async function witnessBeside(site: ScenarioSite, auth: 'shared' | 'separate'): Promise<ScriptedPeer> {
  const { host, seat } = site.node('node-c')
  const authority = await site.authority(auth === 'shared' ? 'ca' : 'ca-c')
  const notAfter = new Date(Date.now() + 120 * minute * 1_000)
  const certificate = await issueLeaf({ authority, subject: host, sans: [host], notAfter })
  const open = { type: 'open', version: 1, node: 'witness', holdTimeMs: 90_000, session: randomUUID() }
  const witness = await site.listenAsPeer({ seat, certificate, open, alive: 'reading' })
  const foreign = () => {
    const issuer = `https://${site.node('auth-c').host}:8443`
    return { trustDomain: 'org-c', tokenSource: { issuer, resource: `https://${host}` } }
  }
  const record = { name: 'witness', endpoint: `wss://${host}:${witness.port}`, domains: [] }
  const made = await site.operator('node-b').post('/v1/peers', { ...record, ...(auth === 'separate' && foreign()) })
  expect(made).toMatchObject({ status: 201 })
  return witness
}

type Update = { type: 'update'; routes: { op: string; domain: string }[]; endOfSync?: boolean }

function updatesOf(witness: ScriptedPeer): Update[] {
  return witness.sessions.flat().filter((frame): frame is Update => frame.type === 'update')
}

/** Whole tables that the witness was sent: one in each session. */
function tables(witness: ScriptedPeer): Update[] {
  return updatesOf(witness).filter(({ endOfSync }) => endOfSync)
}

/** What the witness was told of the routes of A, oldest first. */
function operations(witness: ScriptedPeer): string[] {
  const entries = updatesOf(witness).flatMap(({ routes }) => routes)
  return entries.filter(({ domain }) => domain === 'a.test').map(({ op }) => op)
}

interface Session {
  state: string
  since: string
  lastError?: string
}

interface State {
  certificate: { 'x5t#S256': string; notAfter: string }
  peers: { name: string; state: string; inbound: Session; outbound: Session & { rebindRequired?: string } }[]
}

async function stateOf(site: ScenarioSite, node: string): Promise<State> {
  return (await site.operator(node).get('/v1/state')).json as State
}

async function certificateOf(site: ScenarioSite, node: string) {
  const { certificate } = await stateOf(site, node)
  return { x5t: certificate['x5t#S256'], notAfter: Date.parse(certificate.notAfter) }
}

async function haveRenewed(site: ScenarioSite, before: { x5t: string }[]): Promise<boolean> {
  const now = await Promise.all(nodes.map((node) => certificateOf(site, node)))
  return now.every(({ x5t }, at) => x5t !== before[at]?.x5t)
}

async function hasRoute(site: ScenarioSite): Promise<boolean> {
  const { routes } = (await site.operator('node-c').get('/v1/routes?domain=a.test')).json as { routes: unknown[] }
  return routes.length === 1
}

/** What lies at the holder, once both the certificate and the token are other ones than those of `before`. */
async function newlyHeld(site: ScenarioSite, credential: string, before: string) {
  const held = await site.held(credential)
  const x5t = thumbprintS256(held.certificate!.certPem)
  return x5t !== before && inspectToken(held.token!)?.thumbprint === x5t ? held : undefined
}

/** Everybody is connected, and what B admitted last from each neighbour came over the certificate that the neighbour has now. */
async function allConnectedAnew(site: ScenarioSite): Promise<boolean> {
  const states = await Promise.all(nodes.map((node) => stateOf(site, node)))
  const known = states.flatMap(({ peers }) => peers).filter(({ name }) => nodes.includes(name))
  const isConnected = known.every(({ state }) => state === 'connected')
  const admitted = await site.decisions('node-b', { action: 'peering:connect', verdict: 'accepted' })
  const isNew = ['node-a', 'node-c'].every((node) => {
    const last = admitted.findLast(({ principal }) => principal.sub === node)
    return last?.principal['x5t#S256'] === states[nodes.indexOf(node)]?.certificate['x5t#S256']
  })
  return isConnected && isNew && states.every(({ peers }) => peers.every(({ outbound }) => !outbound.rebindRequired))
}

function secondsUntil(time: number): number {
  return Math.ceil((time - Date.now()) / 1000)
}

async function move(site: ScenarioSite, seconds: number): Promise<void> {
  await site.clock().shift(seconds)
  moved += seconds
}
