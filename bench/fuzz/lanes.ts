import type { Identity } from '../../harness/pki/certificate.ts'
import type { Choices } from '../random.ts'
import { mutantCertificate } from './certificates.ts'
import { mutantFrame, openMessage, textFrame, updateMessage } from './frames.ts'
import { type FuzzGround, PEER } from './ground.ts'
import { Line, type Outcome, upgradeAndSend } from './line.ts'
import { mutateJson, mutateText } from './mutate.ts'
import { type Draft, mutantRequest, written } from './requests.ts'
import { BARE_SEEDS, BODY_SEEDS, LISTENERS, type ListenerName, requestOf, type Seed } from './seeds.ts'
import { mutantToken } from './tokens.ts'

export interface Attempt {
  readonly outcome: Outcome
  /** Whoever accepted this has looked at nothing. */
  readonly isForged?: boolean
}

/** One kind of input that is broken, and one way of handing it over. */
export interface Lane {
  readonly name: string
  /** Of a hundred attempts, about so many. */
  readonly weight: number
  attempt(choices: Choices, lines: Lines): Promise<Attempt>
}

/** The connections of one worker. */
export class Lines implements Disposable {
  readonly #ground: FuzzGround
  readonly #lines = new Map<string, Line>()

  constructor(ground: FuzzGround) {
    this.#ground = ground
  }

  to(at: ListenerName, as: Seed['as']): Line {
    const key = `${at} ${as}`
    const line = this.#lines.get(key) ?? this.fresh(at, this.#identity(as))
    this.#lines.set(key, line)
    return line
  }

  fresh(at: ListenerName, identity: Identity | undefined): Line {
    const { node, port } = LISTENERS[at]
    return new Line(this.#ground.endpoint(node, port, identity))
  }

  [Symbol.dispose](): void {
    for (const line of this.#lines.values()) line.close()
  }

  #identity(as: Seed['as']): Identity | undefined {
    if (as === 'operator') return this.#ground.operator
    return as === 'nobody' ? undefined : this.#ground[as].identity
  }
}

const READ: Seed = { at: 'local', as: 'node', method: 'GET', target: '/v1/state' }
const CONNECT: Seed = { at: 'peering', as: 'peer', method: 'GET', target: '/v1/peering' }
const INTROSPECT: Seed = { at: 'mtls', as: 'peer', method: 'POST', target: '/token/introspection', form: {} }
const REVOKE: Seed = { ...INTROSPECT, target: '/token/revocation' }
const PIN: Seed = { at: 'operator', as: 'operator', method: 'PUT', target: '/operator/v1/clients/fuzz', json: {} }

export function lanesOf(ground: FuzzGround): Lane[] {
  const { node, peer, spare, signingKey: key } = ground
  const send = (lines: Lines, seed: Seed, request: Draft) => lines.to(seed.at, seed.as).send(written(request))
  const withToken = (seed: Seed, token: string): Draft => {
    const request = requestOf(ground, seed)
    request.headers.push(['Authorization', `Bearer ${token}`])
    return request
  }
  const shown = async (choices: Choices, lines: Lines, seed: Seed, of: string): Promise<Attempt> => {
    const { token, isForged } = await mutantToken(choices, { token: of, key })
    return { outcome: await send(lines, seed, withToken(seed, token)), isForged }
  }
  const told = async (choices: Choices, lines: Lines, seed: Seed, of: string): Promise<Outcome> => {
    const { token } = await mutantToken(choices, { token: of, key })
    return send(lines, seed, requestOf(ground, seed, new URLSearchParams({ client_id: PEER, token }).toString()))
  }
  return [
    { name: 'token at local API', weight: 34, attempt: (choices, lines) => shown(choices, lines, READ, node.token) },
    { name: 'token at peering', weight: 7, attempt: (choices, lines) => shown(choices, lines, CONNECT, peer.token) },
    {
      name: 'token at introspection',
      weight: 8,
      attempt: async (choices, lines) => ({ outcome: await told(choices, lines, INTROSPECT, peer.token) }),
    },
    {
      name: 'token at revocation',
      weight: 4,
      // This one may be lost: a token that is broken in bits that nobody looks at is that token still.
      attempt: async (choices, lines) => ({ outcome: await told(choices, lines, REVOKE, spare.token) }),
    },
    {
      name: 'request',
      weight: 16,
      attempt: async (choices, lines) => {
        const seed = choices.pick([...BARE_SEEDS, ...BODY_SEEDS])
        return { outcome: await lines.to(seed.at, seed.as).send(mutantRequest(choices, requestOf(ground, seed))) }
      },
    },
    {
      name: 'body',
      weight: 17,
      attempt: async (choices, lines) => {
        const seed = choices.pick(BODY_SEEDS)
        const body =
          seed.form === undefined ? onLoopback(mutateJson(choices, seed.json)) : mutantForm(choices, seed.form)
        return { outcome: await send(lines, seed, requestOf(ground, seed, body)) }
      },
    },
    { name: 'frame', weight: 9, attempt: async (choices) => ({ outcome: await session(choices, ground) }) },
    {
      name: 'certificate',
      weight: 5,
      attempt: async (choices, lines) => {
        const { canBeSent, isForged, ...identity } = await mutantCertificate(choices, ground.certificates)
        const pinned = JSON.stringify({
          client_id: 'fuzz',
          method: 'self_signed_tls_client_auth',
          pinnedCertificate: identity.certPem,
        })
        if (!canBeSent) return { outcome: await send(lines, PIN, requestOf(ground, PIN, pinned)) }
        const seed = choices.pick([READ, CONNECT, INTROSPECT, BARE_SEEDS[3] as Seed])
        const line = lines.fresh(seed.at, identity)
        const outcome = await line.send(written(withToken(seed, peer.token)))
        line.close()
        return { outcome, isForged }
      },
    },
  ]
}

/** A session with a good beginning, and one to three broken frames after it. */
function session(choices: Choices, ground: FuzzGround): Promise<Outcome> {
  const conversation = { node: PEER, domain: 'c.test' }
  const beginning = choices.below(3)
  const frames = [openMessage(conversation), updateMessage(conversation, 1)].slice(0, beginning).map(textFrame)
  for (let left = 1 + choices.below(3); left > 0; left -= 1) {
    frames.push(mutantFrame(choices, conversation, Math.max(1, frames.length)))
  }
  const { node, port } = LISTENERS.peering
  const upgrade = written(requestOf(ground, { ...CONNECT, bearer: true }))
  return upgradeAndSend(ground.endpoint(node, port, ground.peer.identity), upgrade, Buffer.concat(frames))
}

function mutantForm(choices: Choices, form: Readonly<Record<string, string>>): string {
  const members = Object.entries(form)
  const at = choices.below(members.length)
  const [name, value] = members[at] as [string, string]
  const kind = choices.below(5)
  if (kind === 0) members.splice(at, 1)
  if (kind === 1) members.push([name, mutateText(choices, value)])
  if (kind === 2) members[at] = [name, mutateText(choices, value)]
  if (kind === 3) members[at] = [mutateText(choices, name), value]
  const text = new URLSearchParams(members).toString()
  return kind === 4 ? mutateText(choices, text) : text
}

/** A node dials what its operator tells it: so nothing is told that leads away from here. */
function onLoopback(text: string): string {
  return text.replaceAll(/wss?:[^"]*/g, (url) =>
    URL.parse(url)?.hostname.endsWith('.somebiz.local.io') ? url : 'wss://fuzz.somebiz.local.io:1',
  )
}
