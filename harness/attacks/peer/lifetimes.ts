import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { type IssuerAnswer, uselessAnswers } from '../../counterparts/issuer/issuer-answer.ts'
import type { ScriptedIssuer } from '../../counterparts/issuer/scripted-issuer.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import { issueLeaf, issueSelfSigned } from '../../pki/authority.ts'
import type { Credential } from '../../site/credential.ts'
import { insiderAt } from '../../site/insider.ts'
import type { Verdict } from '../../site/verdict.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { cases, steps, type Variant } from '../attack.ts'
import { grantFor, registered, tokenStates } from '../auth-server.ts'
import { forged, forging, withClaim } from '../forgery.ts'
import { AttackWorks, type Lab } from '../lab.ts'
import { A1, A3, accepted, demanded, refused } from '../outcome.ts'
import { acceptedOnce, standIn } from '../stand-in.ts'
import { forgedInEveryWay } from './outage.ts'

const unavailable = refused(503, 'temporarily_unavailable', 'auth_unavailable', 'jwks_unavailable')
const ended = A1('token_inactive', 'kid_unknown')
/** An answer about a token is kept for a second at most, keys that are known for a minute. */
const revokedWithinMs = 1_000
const sessionEndsWithinMs = 7_000

const isSlow = ([, answer]: [string, unknown]) => answer === 'drip' || answer === 'silence'
const slowAnswers = Object.entries<IssuerAnswer>(uselessAnswers).filter(isSlow)
const quickAnswers = Object.entries<IssuerAnswer>(uselessAnswers).filter((one) => !isSlow(one))

/** What was right once is refused in time, and what cannot be known is refused until it is. */
export const lifetimes = cases(['takes:bound-token', 'speaks:websocket', 'jwks-client'], {
  'PEER-11': {
    title: 'nobody is let in on trust while the auth server is away',
    source: 'RFC 7662 section 4; RFC 8725 section 3.10',
    variants: {
      'keys are known': {
        expect: accepted(),
        // Whoever asks about each token cannot know without an answer.
        at: { 'introspection-client': unavailable },
        attack: whileAway,
      },
      'no keys are known': steps(unavailable, whileAwayFromTheStart),
      'a forged token of every kind': steps(
        demanded('each for its own reason, or 503 where its issuer would have to be asked'),
        (lab) => away(lab, () => forgedInEveryWay(lab, unavailable)),
      ),
    },
  },
  'PEER-20': {
    title: 'a revoked token opens nothing, and ends what it opened',
    source: 'RFC 7009 section 2.1',
    needs: ['takes:bound-token', 'speaks:websocket', 'introspection-client'],
    variants: {
      'a new call': steps(ended, callRevoked),
      'a new call after the auth server was killed': steps(ended, (lab) => callRevoked(lab, killIssuer)),
      'a live session': steps(
        demanded(`4401 within ${sessionEndsWithinMs} ms, its route withdrawn`),
        revokeUnderSession,
      ),
    },
  },
  'PEER-21': {
    title: 'a name ends the tokens of exactly that name',
    source: 'RFC 7009 section 2.1; RFC 4343 section 2',
    needs: ['mint-api', 'revocation', 'operator-api'],
    variants: {
      'in another case': revokingBySan((san) => san.toUpperCase(), 1),
      'a star': revokingBySan(() => '*', 0),
      'a wildcard': revokingBySan((san) => san.replace(/^[^.]+/, '*'), 0),
      'its first label': revokingBySan((san) => san.replace(/\..*$/, ''), 0),
      'a part of it': revokingBySan((san) => san.slice(0, -1), 0),
      'a longer name': revokingBySan((san) => `x${san}`, 0),
      'a dot at its end': revokingBySan((san) => `${san}.`, 0),
    },
  },
  'PEER-22': {
    title: 'a rotated key signs nothing any more: after its grace, or at once',
    source: 'RFC 7517 section 4.5; RFC 8725 section 3.10',
    needs: ['takes:bound-token', 'speaks:websocket', 'introspection-client'],
    forGood: 'its auth server signs with another key',
    variants: {
      'in grace, then after it': steps(ended, afterGrace),
      'at once': steps(ended, atOnce),
    },
  },
  'PEER-23': {
    title: 'a key set that is none changes nothing, and no key outlives its set',
    source: 'RFC 8725 section 3.10; RFC 7517 section 4',
    stage: 'scripted-issuer',
    variants: {
      'the set before is kept for its time': steps(unavailable, keptForItsTime),
      'a secret beside the good keys, and a token that is signed with it': signedWithSecret('alg_not_allowed', {}),
      'the same, and the token says to be signed with a key of the issuer': signedWithSecret('alg_not_allowed', {
        kidOf: (good) => good,
      }),
      'a secret beside the good keys, in the name of an algorithm that is allowed': signedWithSecret('kid_unknown', {
        alg: 'ES256',
      }),
      'answers that are no key set': keysThatAreNone(useless(quickAnswers)),
      'answers that do not come in time': keysThatAreNone(useless(slowAnswers)),
      'sets without a public key': keysThatAreNone({
        'no keys': (issuer) => issuer.publish([]),
        'a secret': (issuer, { x }) =>
          issuer.script('keys', { body: { keys: [{ kty: 'oct', alg: 'HS256', k: x, kid: 'secret' }] } }),
      }),
      'another certificate than that of the issuer': keysThatAreNone({
        'one that vouches for itself': async (issuer) => {
          const { hostname } = new URL(issuer.url)
          issuer.present(await issueSelfSigned(hostname, [hostname]))
        },
      }),
    },
  },
  'PEER-25': {
    title: 'a token works at the nodes that it names, for the domains that it names',
    source: 'RFC 9700 section 2.3',
    needs: ['takes:bound-token', 'speaks:websocket'],
    variants: {
      'trusted by another node': forging(A3('node_not_trusted'), withClaim('trusted_nodes', ['node-x'])),
      'trusted by no node': forging(A3('node_not_trusted'), withClaim('trusted_nodes', [])),
      'a route of another domain': steps(demanded('not installed, counted as refused'), announceOutside),
    },
  },
})

function issuerOf(lab: Lab) {
  return { node: lab.site.node(lab.issuer), unit: insiderAt(lab.site, lab.issuer, 'mints').unit.name }
}

/** Does something while the issuer does not run, and waits until the target believes it again. */
async function away<T>(lab: Lab, work: () => Promise<T>): Promise<T> {
  const { node, unit } = issuerOf(lab)
  lab.judge(await lab.call(), accepted())
  await lab.site.beforeEndOf(node.name, unit)
  await node.stop(unit)
  try {
    return await work()
  } finally {
    await node.start(unit)
    await acceptedAgain(lab, lab.good())
  }
}

function whileAway(lab: Lab): Promise<Verdict> {
  const call = () => lab.call(lab.good(), { waitMs: 3_000 })
  if (!lab.target.surfaces.has('introspection-client')) return away(lab, call)
  // What it was told before it believes for its time.
  return away(lab, () => lab.site.denied('a token that nobody vouches for', call, { withinMs: revokedWithinMs }))
}

async function whileAwayFromTheStart(lab: Lab): Promise<Verdict> {
  const node = lab.site.node(lab.target.node)
  let started: Promise<void> | undefined
  await lab.site.beforeEndOf(node.name, lab.target.unit)
  try {
    return await away(lab, async () => {
      await node.stop(lab.target.unit)
      started = node.start(lab.target.unit)
      // It listens before it is ready, and is not ready while it knows no keys.
      started.catch(() => {})
      const isUp = async () => (await lab.site.operator(lab.target.node).get('/readyz')).status === 503
      await lab.site.until('it answers', isUp, { withinMs: 15_000 })
      return lab.call(lab.good(), { waitMs: 3_000 })
    })
  } finally {
    await started
  }
}

function acceptedAgain(lab: Lab, credential: Credential): Promise<Verdict> {
  return acceptedOnce(lab, 'it is accepted', { credential, withinMs: 15_000, everyMs: 100 })
}

async function revoke(lab: Lab, by: Readonly<Record<string, unknown>>, node = lab.issuer): Promise<number> {
  const { status, json } = await lab.site.operator(node).post('/operator/v1/tokens/revoke', by)
  if (status !== 200) throw new AttackWorks(`${node} answered ${status} to a revocation`)
  return (json as { revoked: number }).revoked
}

async function jtiOf(credential: Credential): Promise<string> {
  return String(inspectToken(await credential.token())?.jti)
}

/** A token that was accepted is revoked and presented again. */
async function callRevoked(lab: Lab, between?: (lab: Lab) => Promise<void>): Promise<Verdict> {
  const own = lab.anew()
  lab.judge(await lab.call(own), accepted())
  lab.demand((await revoke(lab, { jti: await jtiOf(own) })) === 1, 'it revoked nothing')
  await between?.(lab)
  const verdict = await lab.site.denied('a revoked token', () => lab.call(own), { withinMs: revokedWithinMs })
  lab.judge(await lab.call(), accepted())
  return verdict
}

async function killIssuer(lab: Lab): Promise<void> {
  const { node, unit } = issuerOf(lab)
  await lab.site.beforeEndOf(node.name, unit)
  await node.kill(unit)
  await node.start(unit)
}

async function revokeUnderSession(lab: Lab): Promise<void> {
  await using session = await sessionOfPeer(lab, 90_000)
  const isThere = async () => (await session.installed()).includes('revoked')
  session.announce([[ownDomain(lab), 'revoked']])
  await lab.site.until('its route is there', isThere, { withinMs: 5_000 })
  const at = performance.now()
  await revoke(lab, { jti: session.jti })
  const end = await lab.site.ended(session.live, { withinMs: 2 * sessionEndsWithinMs })
  const boundMs = lab.site.bound(sessionEndsWithinMs)
  const tookMs = lab.site.measured('a session of a revoked token ends', performance.now() - at, boundMs)
  lab.demand(end.code === 4401, `the session ended with ${end.code}`)
  lab.demand(tookMs < boundMs, `the session lived on for ${Math.round(tookMs)} ms`)
  await lab.site.until('its route is gone', async () => !(await isThere()), { withinMs: 1_000 })
}

async function announceOutside(lab: Lab): Promise<void> {
  await using session = await sessionOfPeer(lab, 3_000)
  const inside = ownDomain(lab)
  session.announce([
    [inside, 'inside'],
    [`not${inside}`, 'outside'],
    [`${inside}.evil.test`, 'outside'],
    ['evil.test', 'outside'],
  ])
  const count = () => session.live.frames.find(({ type }) => type === 'keepalive')
  const keepalive = await lab.site.until('it counts what it refused', count, { withinMs: 5_000 })
  lab.demand(keepalive.refused === 3, `it refused ${keepalive.refused} of 3 routes of other domains`)
  const names = await session.installed()
  lab.demand(names.includes('inside') && !names.includes('outside'), `it installed ${names.join(', ')}`)
}

/** The domain that both the token and the target's record of the peer hold. */
function ownDomain({ plan, target }: Lab): string {
  const [domain] = credentialOf(plan, 'bound-token', target.credential).domains ?? []
  if (domain === undefined) throw new AttackWorks(`${target.credential} is for no domain`)
  return domain
}

/** A session in the name of the peer, which itself does not dial meanwhile, so that it replaces nothing. */
async function sessionOfPeer(lab: Lab, holdTimeMs: number) {
  const { from, node, action } = lab.target
  const peer = lab.site.operator(from)
  await peer.patch(`/v1/peers/${node}`, { enabled: false })
  const own = lab.anew()
  const { verdict, session: live } = await lab.site.open(from, node, action, own)
  lab.judge(verdict, accepted())
  live.send({ type: 'open', version: 1, node: from, holdTimeMs, session: randomUUID() })
  const route = { op: 'announce', protocol: 'http', endpoint: 'https://probe.test/', path: [from] }
  return {
    live,
    jti: await jtiOf(own),
    /** Announces routes of the peer's own. */
    announce(routes: readonly (readonly [domain: string, name: string])[]) {
      const entries = routes.map(([domain, name]) => ({ ...route, domain, name }))
      live.send({ type: 'update', seq: 1, routes: entries, endOfSync: true })
    },
    /** Names of routes that the target has learned of the peer. */
    async installed() {
      const { json } = await lab.site.operator(node).get(`/v1/routes?from=${from}&limit=1000`)
      return (json as { routes: { name: string }[] }).routes.map(({ name }) => name)
    },
    async [Symbol.asyncDispose]() {
      await live.close()
      await peer.patch(`/v1/peers/${node}`, { enabled: true })
    },
  }
}

/** What a name ends of the tokens of a client that is there for the attack only. */
function revokingBySan(change: (san: string) => string, expected: 0 | 1): Variant {
  return steps(
    demanded(expected === 0 ? 'revokes nothing' : 'revokes what was minted before, nothing that comes after'),
    async (lab) => {
      const { san, mint } = await named(lab)
      const before = await mint()
      const states = await tokenStates(lab)
      const revoked = await revoke(lab, { san: change(san) }, lab.target.node)
      lab.demand(revoked === expected, `it revoked ${revoked} tokens by ${change(san)}`)
      const isEnded = ([jti, state]: [string, string]) => state === 'revoked' && states.get(jti) === 'active'
      const ended = [...(await tokenStates(lab))].filter(isEnded)
      lab.demand(ended.length === expected, `${ended.length} tokens ended by ${change(san)}`)
      const state = (await tokenStates(lab, 'named')).get(before)
      lab.demand(state === (expected === 0 ? 'active' : 'revoked'), `the token that was there is ${state}`)
      const after = await mint()
      const stateAfter = (await tokenStates(lab, 'named')).get(after)
      lab.demand(stateAfter === 'active', `a token that was minted later is ${stateAfter}`)
    },
  )
}

/** A client whose tokens nobody else needs; `mint` answers a `jti`. */
async function named(lab: Lab): Promise<{ san: string; mint(): Promise<string> }> {
  const { from, node, host, domain } = lab.target
  const san = `named.${host}`
  const resource = 'https://named.test'
  const client = { client_id: 'named', method: 'tls_client_auth', sanDns: san, trustDomain: domain }
  await registered(lab, { ...client, ...grantFor(resource) })
  const leaf = await issueLeaf({ authority: await lab.authority('target'), subject: san, sans: [san] })
  const holder = lab.good().withCertificate(leaf, 'of a client of its own')
  const proof = await lab.site.call(from, node, 'holder:prove', holder, { json: { client_id: 'named' } })
  lab.judge(proof, accepted())
  const mint = async () => {
    const { json } = await lab.site.operator(node).post('/operator/v1/tokens', { clientId: 'named', resource })
    return String((json as { jti: unknown } | undefined)?.jti)
  }
  return { san, mint }
}

async function rotate(lab: Lab, order: Readonly<Record<string, unknown>>): Promise<void> {
  const { status } = await lab.site.operator(lab.issuer).post('/operator/v1/keys/rotate', order)
  lab.demand(status === 200, `it answered ${status} to a rotation`)
}

async function afterGrace(lab: Lab): Promise<Verdict> {
  const graceSeconds = 3
  const old = lab.anew()
  // An attack before this one may have left it without keys, which it asks for again in its time.
  lab.judge(await acceptedAgain(lab, old), accepted())
  await rotate(lab, { mode: 'grace', graceSeconds })
  lab.judge(await lab.call(old), accepted())
  return lab.site.denied('a token of a key past its grace', () => lab.call(old), {
    withinMs: graceSeconds * 1_000 + 1_000,
  })
}

async function atOnce(lab: Lab): Promise<Verdict> {
  const old = lab.anew()
  // A key that is not known is asked for at most every 10 s.
  lab.judge(await acceptedAgain(lab, old), accepted())
  await rotate(lab, { mode: 'immediate' })
  return lab.site.denied('a token of a retired key', () => lab.call(old), { withinMs: 1_000 })
}

type Spoil = (issuer: ScriptedIssuer, key: { x?: string }) => void | Promise<void>

function useless(answers: typeof slowAnswers): Record<string, Spoil> {
  return Object.fromEntries(answers.map(([name, answer]) => [name, (issuer) => issuer.script('keys', answer)]))
}

async function keptForItsTime(lab: Lab): Promise<Verdict> {
  const issuer = await standIn(lab)
  await acceptedAgain(lab, lab.good())
  const honest = issuer.requests.filter(({ endpoint }) => endpoint === 'keys').length
  const answers = quickAnswers.map(([, answer]) => answer)
  let at = -1
  issuer.script('keys', () => answers[++at % answers.length] ?? 'cut')
  lab.judge(await lab.call(), accepted())
  const verdict = await lab.site.denied('a token whose keys are gone', () => lab.call(), { withinMs: 5_000 })
  lab.demand(honest > 0, 'it never asked for keys')
  lab.demand(at >= 1, `it asked for keys ${at + 1} times before it gave up its set`)
  return verdict
}

/** The set is taken, for it holds good keys too; what the secret signs, or seems to have signed, is nobody's. */
function signedWithSecret(
  reason: string,
  { alg = 'HS256', kidOf = () => 'secret' }: { alg?: string; kidOf?: (good?: string) => string | undefined },
): Variant {
  return steps(A1(reason), async (lab) => {
    const issuer = await standIn(lab)
    lab.judge(await acceptedAgain(lab, lab.good()), accepted())
    const secret = randomBytes(32)
    const oct = { kty: 'oct', use: 'sig', alg, kid: 'secret', k: secret.toString('base64url') }
    let good: { kid?: string } | undefined
    issuer.script('keys', (_, honest) => {
      const { keys } = honest as { keys: { kid?: string }[] }
      good = keys[0]
      return { headers: { 'cache-control': 'max-age=1' }, body: { keys: [oct, ...keys] } }
    })
    const hasCome = () => good !== undefined
    await acceptedOnce(lab, 'the target knows the set with the secret', { hasCome })
    const signature = (input: string) => createHmac('sha256', secret).update(input).digest()
    return lab.call(forged(lab, 'signed with the secret', { header: { alg, kid: kidOf(good?.kid) }, signature }))
  })
}

/** One after the other; the set before is good for a second, and nothing after it. */
function keysThatAreNone(spoils: Readonly<Record<string, Spoil>>): Variant {
  return steps(unavailable, async (lab) => {
    const issuer = await standIn(lab)
    lab.judge(await acceptedAgain(lab, lab.good()), accepted())
    let verdict: Verdict | undefined
    for (const [name, spoil] of Object.entries(spoils)) {
      await issuer.reset()
      await spoil(issuer, await lab.signingKey())
      const refusedAfterAsking = async () => {
        const answer = await lab.call()
        return issuer.requests.length + issuer.brokenOff.length > 0 && answer.verdict === 'refused' && answer
      }
      verdict = await lab.site.until(`it refuses after ${name}`, refusedAfterAsking, { withinMs: 8_000 })
      lab.judge(verdict, unavailable)
    }
    if (verdict === undefined) throw new AttackWorks('nothing was tried')
    return verdict
  })
}
