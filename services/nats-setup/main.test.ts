import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, loadConfig } from './config.ts'
import { startProgram, type TestSetup, testSetup } from './testing/setup.ts'

let made: TestSetup
beforeAll(async () => {
  made = await testSetup()
})
afterAll(() => made[Symbol.dispose]())

async function run(configuration: Configuration, args: readonly string[], input = '') {
  const child = startProgram(configuration, args)
  child.stdin.end(input)
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { stdout, stderr, code }
}

test('says what it did in one line of JSON', async () => {
  const { record } = made.setUp

  const { stdout, stderr, code } = await run(made.configuration, ['setup'])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  expect(JSON.parse(stdout)).toEqual({ generation: 1, operator: record.operator.key, made: false })
  expect(stdout.trim().split('\n')).toHaveLength(1)
})

test('a failure is one line with its code, and exit code 1', async () => {
  const { stderr, code } = await run(made.empty(), ['copy'])

  expect(stderr).toMatch(/^nats-setup: setup_missing: \S+\/setup\.json is missing; run nats-setup setup first\n$/)
  expect(code).toBe(1)
})

test('what the system refuses names the place and a way out', async () => {
  const { stderr, code } = await run(made.empty(), ['setup', '--state-dir', '/dev/null/state'])

  expect(stderr).toMatch(
    /^nats-setup: storage_unavailable: ENOTDIR: .*'\/dev\/null\/state'; see that this user can write there, and run this again\n$/,
  )
  expect(code).toBe(1)
})

test.each<[string, readonly string[], string, RegExp]>([
  ['is no JSON', ['revoke', '--request', '-'], '{', /request_invalid: the request is not JSON/],
  ['names nobody', ['revoke', '--request', '-'], '', /request_invalid: the request cannot be followed/],
  ['names a user that nobody knows', ['rotate', '--user', 'root'], '', /request_invalid: .*users\.0/],
  ['comes in two ways', ['rotate', '--user', 'sys', '--request', '-'], '', /request_invalid: give --request or --user/],
])('a request that %s is refused', async (_, args, input, message) => {
  const { stderr, code } = await run({ ...made.configuration, broker: anyBroker }, args, input)

  expect(stderr).toMatch(message)
  expect(code).toBe(1)
})

const anyBroker = { url: 'tls://localhost:1', ca: 'ca.pem', cert: 'cert.pem', key: 'key.pem', timeoutSeconds: 1 }

test.each(['push', 'rotate'])('%s without a broker is a mistake of the configuration', async (command) => {
  const { stderr, code } = await run(made.configuration, [command])

  expect(stderr).toMatch(/^nats-setup: config_invalid: the key broker is missing/)
  expect(code).toBe(78)
})

test('without a command it says which there are', async () => {
  const { stderr, code } = await run(made.configuration, [])

  expect(stderr).toContain('Usage: nats-setup')
  expect(code).toBe(2)
})

const flags = { nsc: 'nsc', stateDir: 'state', resolverDir: 'jwt' }
const handover = { dir: 'handover', users: ['admin_user'] }
test.each([
  [
    'a broker without TLS',
    { ...flags, 'broker.url': 'nats://localhost:4222' },
    /broker\.url: must be tls:\/\/HOST:PORT/,
  ],
  [
    'credentials of SYS in a hand-over',
    { ...flags, handovers: JSON.stringify([{ ...handover, users: ['sys'] }]) },
    /handovers\.0\.users: must name users that are handed over/,
  ],
  [
    'one folder for two receivers',
    { ...flags, handovers: JSON.stringify([handover, handover]) },
    /handovers: must have a folder each/,
  ],
  ['an operator in small letters', { ...flags, operator: 'holo' }, /operator: must be a name in capital letters/],
])('%s is refused', (_, wrong, message) => {
  expect(() => loadConfig({ flags: wrong, environment: {} })).toThrow(message)
  expect(loadConfig({ flags: { ...flags, handovers: JSON.stringify([handover]) }, environment: {} })).toMatchObject({
    operator: 'HOLO',
    handovers: [handover],
  })
})
