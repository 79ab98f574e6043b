import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { PeeringConfiguration } from './config.ts'
import { PeerTokens } from './peer-tokens.ts'
import type { Peer, Peers } from './peers.ts'
import type { TokenSource } from './token-source.ts'

const FIRST = 'a'.repeat(43)
const RENEWED = 'b'.repeat(43)

let folder: string
let file: string
/** Thumbprints of what can be presented, the newest first. */
let thumbprints: string[]
let told: string[]
let answers: (() => Promise<string>)[]
let asked: { issuer: string; trustDomain: string | undefined }[]
let tokens: PeerTokens | undefined

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000, shouldAdvanceTime: true })
  folder = mkdtempSync(join(tmpdir(), 'orchestrator-tokens-'))
  file = join(folder, 'token')
  thumbprints = [FIRST]
  told = []
  answers = []
  asked = []
})

afterEach(() => {
  tokens?.close()
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

/** Only what stands in it matters here: nobody verifies it. */
function tokenFor(x5t: string, change: Record<string, unknown> = {}): string {
  const claims = { sub: 'node-a', aud: 'https://node-b.test', exp: Date.now() / 1000 + 600, cnf: { 'x5t#S256': x5t } }
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ typ: 'at+jwt' })}.${part({ ...claims, ...change })}.sig`
}

function write(token: string): void {
  writeFileSync(`${file}.next`, token, { mode: 0o600 })
  renameSync(`${file}.next`, file)
}

function peerWith(token: Peer['token']): Peer {
  const record = { name: 'node-b', endpoint: 'wss://node-b.test:9443', host: 'node-b.test', domains: [] }
  return { ...record, trustDomain: 'org-b', enabled: true, token }
}

function tokensOf(peer: Peer, more: Partial<PeeringConfiguration['peering']> = {}): PeerTokens {
  const source: TokenSource = {
    fetch({ issuer }, trustDomain) {
      asked.push({ issuer, trustDomain })
      return answers.shift()?.() ?? Promise.reject(new Error('nothing to be had'))
    },
    close() {},
  }
  const own = { node: 'node-a', host: 'node-a.test', trustDomain: { name: 'org-a' } }
  const configuration = { ...own, peering: { clockSkewSeconds: 30, trustDomains: { 'org-b': {} }, ...more } }
  const log = { info() {}, warn() {}, error() {} }
  const peers = { all: () => [peer], get: () => peer, onChange() {} } as unknown as Peers
  const options = {
    configuration: configuration as unknown as PeeringConfiguration,
    peers,
    thumbprints: () => thumbprints,
    source,
    log,
  }
  tokens = new PeerTokens(options)
  tokens.onChange((name) => told.push(name))
  return tokens
}

test('after a renewal a token that was minted late, for the certificate before, takes no place', async () => {
  const peer = peerWith({ kind: 'file', path: file })
  write(tokenFor(FIRST))
  const held = tokensOf(peer)
  expect(await held.current(peer)).toMatchObject({ thumbprint: FIRST })
  thumbprints = [RENEWED, FIRST]
  write(tokenFor(RENEWED))
  await vi.waitFor(() => expect(told).toEqual(['node-b']))

  write(tokenFor(FIRST, { jti: 'late' }))
  await vi.advanceTimersByTimeAsync(500)
  expect(told).toEqual(['node-b'])
  expect(await held.current(peer)).toMatchObject({ thumbprint: RENEWED })
  const next = tokenFor(RENEWED, { jti: 'next' })
  write(next)
  await vi.waitFor(async () => expect(await held.current(peer)).toMatchObject({ token: next }))
})

test('a token that lies behind a folder of links is followed when that is swapped, and when its folder is made anew', async () => {
  const first = tokenFor(FIRST, { jti: 'first' })
  const layVolume = (name: string, token: string) => {
    mkdirSync(join(folder, 'volume', name))
    writeFileSync(join(folder, 'volume', name, 'token'), token, { mode: 0o600 })
    symlinkSync(name, join(folder, 'volume', 'next'))
    renameSync(join(folder, 'volume', 'next'), join(folder, 'volume', '..data'))
  }
  mkdirSync(join(folder, 'volume'))
  layVolume('..1', first)
  symlinkSync('..data/token', join(folder, 'volume', 'token'))
  const peer = peerWith({ kind: 'file', path: join(folder, 'volume', 'token') })
  const held = tokensOf(peer)
  expect(await held.current(peer)).toMatchObject({ token: first })

  const second = tokenFor(FIRST, { jti: 'second' })
  layVolume('..2', second)
  await vi.waitFor(async () => expect(await held.current(peer)).toMatchObject({ token: second }))

  const third = tokenFor(FIRST, { jti: 'third' })
  rmSync(join(folder, 'volume'), { recursive: true })
  mkdirSync(join(folder, 'volume'))
  writeFileSync(join(folder, 'volume', 'token'), third, { mode: 0o600 })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await held.current(peer)).toMatchObject({ token: third })
  expect(told).toEqual(['node-b', 'node-b'])
})

test('until there is a token for the new certificate, the one for the certificate before stays in use', async () => {
  const peer = peerWith({ kind: 'file', path: file })
  write(tokenFor(FIRST))
  const held = tokensOf(peer)
  await held.current(peer)

  thumbprints = [RENEWED, FIRST]
  const later = tokenFor(FIRST, { jti: 'later' })
  write(later)
  await vi.waitFor(async () => expect(await held.current(peer)).toMatchObject({ token: later, thumbprint: FIRST }))
  expect(held.isAnyBoundTo(FIRST)).toBe(true)
})

const source = { kind: 'source', issuer: 'https://auth-b.test', resource: 'https://node-b.test' } as const

test('a source is asked anew at 80 % of the life of its token, on a clock that may jump', async () => {
  const peer = peerWith(source)
  answers.push(async () => tokenFor(FIRST))
  const held = tokensOf(peer)
  await held.current(peer)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toHaveLength(1)

  answers.push(async () => tokenFor(FIRST, { jti: 'second' }))
  vi.setSystemTime(Date.now() + 430_000)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(asked).toHaveLength(2)
  expect(told).toEqual(['node-b'])

  // One that is set back leaves the life that others see in the token as it is.
  answers.push(async () => tokenFor(FIRST, { jti: 'third' }))
  vi.setSystemTime(Date.now() - 3_600_000)
  await vi.advanceTimersByTimeAsync(481_000)
  expect(asked).toHaveLength(3)
})

test('an answer that comes after a later question is not taken: it is over the certificate before', async () => {
  const peer = peerWith(source)
  let arrive = (_: string): void => {}
  answers.push(() => new Promise((resolve) => (arrive = resolve)))
  const held = tokensOf(peer)
  const early = held.current(peer)
  thumbprints = [RENEWED, FIRST]
  answers.push(async () => tokenFor(RENEWED))
  await held.rebind()
  expect(told).toEqual(['node-b'])

  arrive(tokenFor(FIRST))
  expect(await early).toMatchObject({ thumbprint: RENEWED })
  expect(await held.current(peer)).toMatchObject({ thumbprint: RENEWED })
})

test('our own auth server must prove the anchor that is configured for it, and no other', async () => {
  const peer = peerWith({ kind: 'node' })
  write(tokenFor(FIRST))
  const own = { nodeTokenFile: file, auth: { issuer: 'https://auth-a.test' } } as Partial<
    PeeringConfiguration['peering']
  >
  const held = tokensOf(peer, own)
  answers.push(async () => tokenFor(FIRST, { jti: 'own' }))
  await held.rebind()
  expect(asked).toEqual([{ issuer: 'https://auth-a.test', trustDomain: undefined }])
})

test('a token that no certificate of ours can present any more is fetched anew at once, and not when it ends', async () => {
  const peer = peerWith(source)
  answers.push(async () => tokenFor(FIRST))
  const held = tokensOf(peer)
  expect(await held.current(peer)).toMatchObject({ thumbprint: FIRST })
  expect(await held.current(peer)).toMatchObject({ thumbprint: FIRST })
  expect(asked).toHaveLength(1)

  thumbprints = [RENEWED]
  answers.push(async () => tokenFor(RENEWED))
  expect(await held.current(peer)).toMatchObject({ thumbprint: RENEWED })
})
