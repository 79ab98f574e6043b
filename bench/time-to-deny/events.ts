import { setTimeout as delay } from 'node:timers/promises'
import { type DenyGround, expectStatus, type Holder, NODE } from './ground.ts'

/** Something after which a holder must be denied. Bounds in ms. */
export interface DenyingEvent {
  readonly name: string
  /** How long new connections may still be admitted. */
  readonly newWithinMs: number
  /** How long a live session may go on. */
  readonly liveWithinMs: number
  /** How many holders one event denies: all of them, or one. */
  readonly denies: 'one' | 'many'
  /** How the live session is told. */
  readonly code: string
  /** What must go before it. Answers when it will happen by itself, in epoch ms. */
  begin?(ground: DenyGround): Promise<number>
  happen(ground: DenyGround, holder: Holder): Promise<void>
  /** Puts back what all holders need. */
  undo?(ground: DenyGround): Promise<void>
}

const revoked = { newWithinMs: 1_000, liveWithinMs: 7_000, denies: 'one', code: 'token_ended' } as const
/** At once is: the next attempt, however soon it comes. */
const AT_ONCE_MS = 100
/** Long enough for all holders to be heard once more before. */
const GRACE_SECONDS = 3
const removed = { newWithinMs: AT_ONCE_MS, liveWithinMs: 1_000, denies: 'one', code: 'peer_removed' } as const

async function revoke(ground: DenyGround, what: Record<string, string>): Promise<void> {
  expectStatus(await ground.auth.post('/operator/v1/tokens/revoke', what), 200, 'revoking')
}

// A node asks for a key that it does not know once in ten seconds: so long the next tokens may be strange to it.
const coolDown = (): Promise<void> => delay(10_500)

export const events: readonly DenyingEvent[] = [
  { ...revoked, name: 'token revoked by jti', happen: (ground, { jti }) => revoke(ground, { jti }) },
  { ...revoked, name: 'tokens revoked by SAN', happen: (ground, { san }) => revoke(ground, { san }) },
  { ...revoked, name: 'tokens revoked by thumbprint', happen: (ground, { x5t }) => revoke(ground, { x5t }) },
  {
    ...revoked,
    name: 'client deleted',
    async happen({ auth }, { name }) {
      expectStatus(await auth.delete(`/operator/v1/clients/${name}`), 204, 'deleting a client')
    },
  },
  {
    ...revoked,
    name: 'keys rotated at once',
    denies: 'many',
    async happen({ auth }) {
      expectStatus(await auth.post('/operator/v1/keys/rotate', { mode: 'immediate' }), 200, 'rotating')
    },
    undo: coolDown,
  },
  {
    ...revoked,
    name: 'grace of a key over',
    denies: 'many',
    async begin({ auth }) {
      const order = { mode: 'grace', graceSeconds: GRACE_SECONDS }
      const { json } = expectStatus(await auth.post('/operator/v1/keys/rotate', order), 200, 'rotating')
      const { previous } = json as { previous: { until: number }[] }
      return Math.max(...previous.map(({ until }) => until)) * 1_000
    },
    happen: async () => {},
    undo: coolDown,
  },
  {
    ...removed,
    name: 'peer removed',
    async happen({ node }, { name }) {
      expectStatus(await node.delete(`/v1/peers/${name}`), 204, 'removing a peer')
    },
  },
  {
    ...removed,
    name: 'peer disabled',
    async happen({ node }, { name }) {
      expectStatus(await node.patch(`/v1/peers/${name}`, { enabled: false }), 200, 'disabling a peer')
    },
  },
  {
    name: 'anchor removed by SIGHUP',
    // The signal has no answer: this is what its way and the reading take.
    ...{ newWithinMs: 250, liveWithinMs: 1_000, denies: 'many', code: 'certificate_ended' },
    happen: ({ site }) => withAnchor(site, 'org-a'),
    undo: ({ site }) => withAnchor(site, undefined),
  },
]

const ANCHOR = 'anchors/org-b.pem'
const KEPT = 'anchors/org-b.pem.kept'

/** The node trusts another root in place of the one behind its peers, or that one again; read with SIGHUP. */
async function withAnchor(site: DenyGround['site'], other: string | undefined): Promise<void> {
  const node = site.node(NODE)
  const copy = async (from: string, to: string) => {
    const { code, stderr } = await node.exec(['cp', from, to])
    if (code !== 0) throw new Error(`copying ${from}: ${stderr}`)
  }
  if (other !== undefined) {
    await copy(ANCHOR, KEPT)
    await copy(`anchors/${other}.pem`, ANCHOR)
  } else await copy(KEPT, ANCHOR)
  await node.signal('SIGHUP', 'orchestrator')
}
