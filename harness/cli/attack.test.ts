import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ScenarioReport } from './run-scenarios.ts'

// Inside of the package, because what the command writes there imports it.
let folder: string
const main = join(import.meta.dirname, 'main.ts')

beforeAll(async () => {
  folder = await mkdtemp(join(import.meta.dirname, 'attack-'))
})
afterAll(() => rm(folder, { recursive: true }))

function attack(argv: readonly string[], env: Record<string, string> = {}): Promise<{ code: number; stdout: string }> {
  const options = { cwd: folder, env: { ...process.env, ...env }, maxBuffer: 16 * 1024 * 1024 }
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'attack', ...argv], options, (failure, stdout) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout })
    })
  })
}

test('the list says what is tried where, and what not and why', async () => {
  const { code, stdout } = await attack(['separate-auth', '--list', '--case', 'GEN-02,GEN-30,GEN-35'])
  expect(code).toBe(0)
  expect(stdout).toMatchInlineSnapshot(`
    "separate-auth  2 cases of 3 are tried, as 25 tests

    gen  JOSE and the transport of bearer tokens
    GEN-02  a public key is no secret to sign with (RFC 8725 sections 2.1 and 3.1; CVE-2015-9235)
    VARIANT                                                      WHAT MUST COME OF IT  TRIED AT
    HS256 with SPKI                                              A1 alg_not_allowed    node-a; 1 alike
    HS256 with SPKI, no final newline                            A1 alg_not_allowed    node-a; 1 alike
    HS256 with PKCS#1                                            A1 alg_not_allowed    node-a; 1 alike
    HS256 with PKCS#1, no final newline                          A1 alg_not_allowed    node-a; 1 alike
    HS256 with the DER of SPKI                                   A1 alg_not_allowed    node-a; 1 alike
    HS256 with the modulus                                       A1 alg_not_allowed    node-a; 1 alike
    HS256 with the JWK                                           A1 alg_not_allowed    node-a; 1 alike
    HS512 with SPKI                                              A1 alg_not_allowed    node-a; 1 alike
    hs256 in lower case                                          A1 alg_not_allowed    node-a; 1 alike
    HS256 with the key that it knows, as SPKI                    A1 alg_not_allowed    node-a peering:connect, node-a node:read; 4 alike
    HS256 with the key that it knows, as SPKI, no final newline  A1 alg_not_allowed    node-a peering:connect, node-a node:read; 4 alike
    HS256 with the key that it knows, as the DER of SPKI         A1 alg_not_allowed    node-a peering:connect, node-a node:read; 4 alike
    HS256 with the key that it knows, as the JWK                 A1 alg_not_allowed    node-a peering:connect, node-a node:read; 4 alike

    GEN-30  whoever asks about a token proves who he is, and is told of tokens for himself only (RFC 7662 sections 2.1, 2.2 and 4)
    VARIANT                       WHAT MUST COME OF IT                            TRIED AT
    without a certificate         E(invalid_client) cert_missing                  auth-a; 1 alike
    in the name of another        E(invalid_client) anchor_mismatch|san_mismatch  auth-a; 1 alike
    in the name of nobody         E(invalid_client) client_unknown                auth-a; 1 alike
    with a secret                 E(invalid_client) method_not_allowed            auth-a; 1 alike
    a token for another audience  200 {"active":false}, and nothing else          auth-a; 1 alike
    a token that nobody minted    200 {"active":false}, and nothing else          auth-a; 1 alike
    a forged token                200 {"active":false}, and nothing else          auth-a; 1 alike
    garbage                       200 {"active":false}, and nothing else          auth-a; 1 alike

    not tried
    CASE    WHY                                                                                                  ATTACK
    GEN-35  nobody offers DPoP beside certificates: a token is bound to a certificate, and its scheme is Bearer  a proof of possession is one of this request
    "
  `)
})

test('as JSON it names each trial, and the targets that are like it', async () => {
  const { stdout } = await attack(['shared-auth', '--list', '--json', '--target', 'node-b', '--case', 'GEN-01'])
  const { tried } = JSON.parse(stdout) as { tried: { trials: object[] }[] }
  expect(tried[0]?.trials[0]).toEqual({
    variant: 'alg none',
    target: 'node-b peering:connect',
    expected: 'A1 alg_not_allowed',
    alike: [],
  })
})

test.each([
  [['separate-auth', '--case', 'GEN-99']],
  [['separate-auth', '--family', 'jose']],
  [['separate-auth', '--target', 'node-z']],
])('what is not there is exit code 2: %j', async (argv) => {
  expect(await attack(argv)).toMatchObject({ code: 2 })
})

test('the attack works where a guard is taken out, and fails where it stands', async () => {
  const argv = ['separate-auth', '--case', 'GEN-17', '--target', 'node-a peering:connect', '--json']
  const [whole, without] = await Promise.all([
    attack(argv),
    attack(argv, { HOLDFAST_SABOTAGE: 'orchestrator/token.time' }),
  ])

  expect(whole.code).toBe(0)
  const report = JSON.parse(whole.stdout) as ScenarioReport
  // The accepted call, six variants, the accepted calls that they were held against once more, and the search of what is kept of the run.
  expect(report).toMatchObject({ failed: 0, passed: 9, notTried: [] })
  // Each call is told, with its reason and its control, which the first variant made; the evidence of all of them is one run's.
  const future = report.scenarios.find(({ name }) => name.includes('iat an hour ahead'))
  const first = report.scenarios.flatMap(({ calls = [] }) => calls)[0]
  expect([first, ...(future?.calls ?? [])].map((call) => [call?.verdict, call?.reason, call?.guard])).toEqual([
    ['accepted', null, null],
    ['refused', 'token_iat_future', 'token.time'],
  ])
  expect(future?.calls?.[0]?.control).toMatchObject({ accepted: true, credential: 'peer-b-to-a' })
  expect(report.runs).toEqual([future?.evidence])
  expect(without.code).toBe(1)
  const { scenarios } = JSON.parse(without.stdout) as ScenarioReport
  const late = scenarios.find(({ name }) => name.includes('exp just past the skew'))
  expect(late).toMatchObject({ state: 'failed' })
  expect(late?.failure).toContain('received  accepted 101')
}, 300_000)
