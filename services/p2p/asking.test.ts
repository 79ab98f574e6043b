import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestAuthority, testAuthority, testFolder } from '../shared/testing/certificates.ts'
import type { Ran } from '../shared/testing/output.ts'
import { freePort } from '../shared/testing/service-process.ts'
import { type FarEnd, farEnd, json } from './testing/far-end.ts'
import { p2p } from './testing/run-p2p.ts'

// What p2p does with answers that a node would not give, and with whoever is no node. Those of nodes are in with-nodes.test.ts.

const TOKEN = 'token-of-a-cluster-that-nobody-may-see-anywhere'
const HOST = 'orc-1.somebiz.local.io'
const RUN_ID = 'run-1'

const folder = testFolder()
let root: TestAuthority
let other: TestAuthority
let node: FarEnd
let url: string

beforeAll(async () => {
  root = await testAuthority(folder, 'ours')
  other = await testAuthority(folder, 'other')
  node = await farEnd(await root.issue({ sans: [HOST] }))
  url = `https://${HOST}:${node.port}`
  put('token', `${TOKEN}\n`)
})
afterAll(async () => {
  await node[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  node.heard.length = 0
  node.answer = (_, response) => json(response, 200, { leader: 'orc-1', epoch: 3, url })
})

function put(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode })
  return path
}

/** As the holder of the token, who asks that node. */
function ask(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return p2p(args, {
    env: {
      HOLDFAST_P2P_LEADER: url,
      HOLDFAST_P2P_CA_FILE: root.file,
      HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: join(folder, 'token'),
      ...env,
    },
    secrets: [TOKEN],
  })
}

test('control: a node that proves who it is gets the token, and its answer is shown', async () => {
  const ran = await ask(['leader'])
  expect(ran).toEqual({
    code: 0,
    stderr: '',
    stdout: `leader  orc-1\nepoch   3\nurl     ${url}\n`,
  })
  expect(node.heard.map(({ method, url: path, headers }) => [method, path, headers.authorization])).toEqual([
    ['GET', '/v1/leader', `Bearer ${TOKEN}`],
  ])
  expect(JSON.parse((await ask(['leader', '--json'])).stdout)).toEqual({ leader: 'orc-1', epoch: 3, url })
})

describe('who does not prove to be the node gets nothing', () => {
  test.each<[string, () => Promise<FarEnd>]>([
    ['a certificate of another root', async () => farEnd(await other.issue({ sans: [HOST] }))],
    ['a certificate for another host', async () => farEnd(await root.issue({ sans: ['orc-2.somebiz.local.io'] }))],
    ['the host as common name alone', async () => farEnd(await root.issue({ sans: [], commonName: HOST }))],
    [
      'a certificate whose time is over',
      async () => farEnd(await root.issue({ sans: [HOST], notAfter: new Date(Date.now() - 1_000) })),
    ],
  ])('%s', async (_, server) => {
    await using impostor = await server()
    const ran = await ask(['leader', '--p2p-leader', `https://${HOST}:${impostor.port}`])
    expect(ran).toMatchObject({ code: 4, stdout: '' })
    expect(ran.stderr).toMatch(
      /^p2p: server_untrusted: .* did not prove who it is \([A-Z_]+\), and got nothing; .*--ca-file/,
    )
    expect(impostor.heard).toEqual([])
  })

  test('without roots nobody is asked by https', async () => {
    const ran = await p2p(['leader', '--p2p-leader', url], { env: { NODE_EXTRA_CA_CERTS: root.file } })
    expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('p2p: ca_missing: ') })
    expect(node.heard).toEqual([])
  })

  test('an environment that tells Node to verify nothing changes nothing', async () => {
    await using impostor = await farEnd(await other.issue({ sans: [HOST] }))
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
    const ran = await ask(['leader', '--p2p-leader', `https://${HOST}:${impostor.port}`], env)
    expect(ran.code).toBe(4)
    expect(impostor.heard).toEqual([])
  })
})

describe('in clear', () => {
  test('a node on loopback gets the token', async () => {
    await using plain = await farEnd()
    plain.answer = (_, response) => json(response, 200, { leader: 'orc-1', epoch: 3, url: null })
    for (const host of ['127.0.0.1', HOST]) {
      const ran = await ask(['leader', '--p2p-leader', `http://${host}:${plain.port}`])
      expect(ran).toMatchObject({ code: 0, stderr: '' })
    }
    expect(plain.heard.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${TOKEN}`, `Bearer ${TOKEN}`])
  })

  // RFC 5737 and RFC 3849: addresses of documents, which nobody has; 100.64.0.0/10 is shared, and 0.0.0.0 is this machine.
  test.each(['203.0.113.10', '[2001:db8::10]', '100.64.0.1', '0.0.0.0', '[::ffff:203.0.113.10]'])(
    'nobody at %s is dialled',
    async (address) => {
      const began = performance.now()
      const ran = await ask(['leader', '--p2p-leader', `http://${address}:9`])
      expect(ran).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/^p2p: peer_plaintext: .* nothing was sent: use https/),
      })
      expect(performance.now() - began).toBeLessThan(5_000)
    },
  )

  test('a node that was asked by https leads to none that is asked in clear', async () => {
    await using plain = await farEnd()
    const peer = { id: 'orc-2', url: `http://127.0.0.1:${plain.port}`, reachable: true, peerAuth: 'ok' }
    node.answer = (_, response) =>
      json(response, 200, { cluster: 'lab', node: 'orc-1', role: 'leading', leader: 'orc-1', epoch: 3, peers: [peer] })
    const ran = await ask(['nodes'])
    expect(ran).toMatchObject({ code: 3, stdout: expect.stringMatching(/^orc-2 .* peer_plaintext$/m) })
    expect(plain.heard).toEqual([])
  })
})

describe('an answer that no node gives', () => {
  test.each<[string, FarEnd['answer'], number, string]>([
    ['a redirect', (_, response) => void response.writeHead(307, { location: '/' }).end(), 3, 'answer_redirect'],
    [
      'a page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      4,
      'answer_invalid',
    ],
    ['JSON of something else', (_, response) => json(response, 200, { leader: 7 }), 4, 'answer_invalid'],
    [
      'half a JSON text',
      (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"leader'),
      4,
      'answer_invalid',
    ],
    [
      'more than is read',
      (_, response) => void response.writeHead(200).end(Buffer.alloc(9 * 1024 * 1024)),
      4,
      'answer_invalid',
    ],
    [
      'an error in the words of a proxy',
      (_, response) => void response.writeHead(502).end('<h1>Bad Gateway</h1>'),
      4,
      'no_error_code',
    ],
  ])('%s is told as such', async (_, answer, code, reason) => {
    node.answer = answer
    const ran = await ask(['leader'])
    expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(new RegExp(`^p2p: ${reason}: `)) })
    expect(node.heard).toHaveLength(1)
  })

  test('a refusal tells its code, request and facts, on one line, without a letter that a terminal obeys', async () => {
    node.answer = (_, response) =>
      json(response, 422, {
        error: 'input_invalid',
        request_id: 'r-7',
        path: '/params/games\u001b[2J',
        more: ['a', { at: '/x', is: 1 }],
        deep: {},
      })
    const { code, stderr } = await ask(['leader'])
    expect(code).toBe(3)
    expect(stderr).toBe(
      `p2p: input_invalid: ${HOST}:${node.port} refused (422, input_invalid, request r-7); path /params/games?[2J; more a, (at /x, is 1)\n`,
    )
  })

  test('401 says what to do, with a token and without', async () => {
    node.answer = (_, response) => json(response, 401, { error: 'invalid_token', request_id: 'r-7' })
    expect((await ask(['leader'])).stderr).toContain('give the token that the cluster accepts; p2p token check')
    const bare = await p2p(['leader', '--p2p-leader', url, '--ca-file', root.file])
    expect(bare).toMatchObject({ code: 3, stderr: expect.stringContaining('no token was given') })
    expect(node.heard.at(-1)!.headers.authorization).toBeUndefined()
  })
})

describe('orders', () => {
  const order = ['pipeline', 'run', 'canonical_selfplay', '--param', 'games=20']
  const accepted = { runId: RUN_ID, state: 'queued', leader: 'orc-1', epoch: 3 }

  test('are repeated by one key, with one body, until there is an answer', async () => {
    const answers = [
      (response: Parameters<FarEnd['answer']>[1]) =>
        json(response, 503, { error: 'leader_unknown' }, { 'retry-after': '0' }),
      (response: Parameters<FarEnd['answer']>[1]) =>
        json(response, 504, { error: 'leader_timeout' }, { 'retry-after': '0' }),
      (response: Parameters<FarEnd['answer']>[1]) => void response.destroy(),
      (response: Parameters<FarEnd['answer']>[1]) => json(response, 202, accepted),
    ]
    node.answer = (_, response) => answers.shift()!(response)
    const ran = await ask([...order, '--json'])
    expect(ran.code).toBe(0)
    expect(JSON.parse(ran.stdout)).toEqual(accepted)
    expect(node.heard).toHaveLength(4)
    const sent = node.heard.map(({ method, url: path, headers, body }) => ({
      method,
      path,
      key: headers['idempotency-key'],
      body,
    }))
    expect(new Set(sent.map((one) => JSON.stringify(one))).size).toBe(1)
    expect(sent[0]).toEqual({
      ...{ method: 'POST', path: '/v1/pipeline/run', key: expect.stringMatching(/^[A-Za-z0-9_-]{16,64}$/) },
      body: '{"pipeline":"canonical_selfplay","params":{"games":20}}',
    })
    expect(ran.stderr.match(/trying again in/g)).toHaveLength(3)
  })

  test('have another key each', async () => {
    node.answer = (_, response) => json(response, 202, accepted)
    await Promise.all([ask(order), ask(order)])
    expect(new Set(node.heard.map(({ headers }) => headers['idempotency-key'])).size).toBe(2)
  })

  test('of which nobody knows what became are told with their key, by which they go on', async () => {
    node.answer = (_, response) => json(response, 503, { error: 'no_quorum', request_id: 'r-9' })
    const lost = await ask([...order, '--repeat-for-ms', '0'])
    expect(lost).toMatchObject({ code: 4, stdout: '', stderr: expect.stringMatching(/^p2p: no_quorum: .*request r-9/) })
    const [, key = ''] = /--idempotency-key ([A-Za-z0-9_-]+)\n$/.exec(lost.stderr) ?? []
    expect(key).toBe(node.heard[0]!.headers['idempotency-key'])

    node.answer = (_, response) => json(response, 200, accepted)
    expect(await ask([...order, '--idempotency-key', key])).toMatchObject({ code: 0 })
    expect(node.heard.at(-1)!.headers['idempotency-key']).toBe(key)
  })

  test('that were refused, or never sent, are told without one', async () => {
    node.answer = (_, response) => json(response, 404, { error: 'pipeline_unknown' })
    const refused = await ask(order)
    expect(refused.code).toBe(3)
    const nobody = await ask([...order, '--p2p-leader', `https://${HOST}:${await freePort()}`])
    expect(nobody).toMatchObject({ code: 4, stderr: expect.stringMatching(/^p2p: server_unreachable: .*ECONNREFUSED/) })
    for (const { stderr } of [refused, nobody]) expect(stderr).not.toContain('--idempotency-key')
  })

  test('for a run that has no id go nowhere', async () => {
    for (const id of ['../../election/lease', 'a/b', '..', '%2e%2e', '']) {
      expect(await ask(['pipeline', 'cancel', id])).toMatchObject({ code: 2, stdout: '' })
    }
    expect(node.heard).toEqual([])
  })
})

describe('usage', () => {
  test.each<[string, string[], string]>([
    ['no node', ['leader', '--p2p-leader', ''], 'p2pLeader: must be https://HOST'],
    ['a URL with a path', ['leader', '--p2p-leader', 'https://a/v1'], 'p2pLeader: must be https://HOST'],
    [
      'a URL with a name and a password',
      ['leader', '--p2p-leader', 'https://a:b@c'],
      'p2pLeader: must be https://HOST',
    ],
    ['another backend', ['pipeline', '--backend', 'slurm', 'run', 'x'], 'backend: must be p2p: there is no other'],
    ['an unknown option', ['leader', '--insecure'], "unknown option '--insecure'"],
    ['an unknown command', ['lead'], ': lead.'],
    ['no command', [], 'Usage: p2p'],
    ['a parameter that is none', ['pipeline', 'run', 'x', '--param', 'games'], 'must be NAME=VALUE'],
    ['a key that is too short', ['pipeline', 'run', 'x', '--idempotency-key', 'short'], 'must be 16 to 64 of'],
    ['a wait without end', ['pipeline', 'run', 'x', '--wait-s', '0'], 'must be a whole number from 1 to 86400'],
    ['roots that are not there', ['leader', '--ca-file', '/nowhere.pem'], '/nowhere.pem cannot be read (ENOENT)'],
  ])('%s is exit code 2, and nobody is asked', async (_, args, message) => {
    const ran = await ask(args)
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain(message)
    expect(node.heard).toEqual([])
  })

  test.each<[string, Record<string, string>, string]>([
    ['empty', { HOLDFAST_CLUSTER_AUTH_TOKEN: '' }, 'source_empty'],
    ['no token', { HOLDFAST_CLUSTER_AUTH_TOKEN: 'short' }, 'token_malformed'],
    ['torn', { HOLDFAST_CLUSTER_AUTH_TOKEN: TOKEN, RINGRIFT_CLUSTER_AUTH_TOKEN: `${TOKEN}x` }, 'alias_conflict'],
    ['a file that is not there', { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: '/nowhere/token' }, 'file_missing'],
  ])('a token source that is %s is exit code 2, whatever lies below it', async (_, env, reason) => {
    const ran = await ask(['leader'], env)
    expect(ran).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`^p2p: ${reason}: |\np2p: ${reason}: `)),
    })
    expect(node.heard).toEqual([])
  })

  test('a token file that others can read is exit code 2', async () => {
    const file = put('open-token', TOKEN, 0o644)
    const ran = await ask(['leader'], { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: file })
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining('p2p: file_mode: ') })
  })

  test('the highest source that is given counts, and a token that others can see is warned about', async () => {
    const flag = 'f'.repeat(40)
    const ran = await ask(['leader', '--auth-token', flag])
    expect(ran.code).toBe(0)
    expect(node.heard[0]!.headers.authorization).toBe(`Bearer ${flag}`)
    expect(ran.stderr).toContain('warning: the token of --auth-token can be read in /proc/PID/cmdline')
    expect(ran.stderr).toContain('warning: HOLDFAST_CLUSTER_AUTH_TOKEN_FILE is ignored')
  })

  test('a configuration file says the same as flags', async () => {
    const config = put('p2p.json', JSON.stringify({ p2pLeader: url, caFile: root.file }))
    mkdirSync(join(folder, 'elsewhere'), { recursive: true })
    const ran = await p2p(['--config', config, 'leader'], {
      env: { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: join(folder, 'token') },
      cwd: join(folder, 'elsewhere'),
    })
    expect(ran).toMatchObject({ code: 0, stderr: '' })
  })
})
