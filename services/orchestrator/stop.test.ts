import { once } from 'node:events'
import { request } from 'node:https'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectPeering } from './testing/caller.ts'
import { startOrchestrator, type TestOrchestrator, until } from './testing/process.ts'
import { HOST_A, nodeConfiguration, peerToken, type TestSite, testSite } from './testing/site.ts'

// Two real processes, each with a peer that does not answer its farewell and a call that never comes to its end.

let site: TestSite

beforeAll(async () => {
  site = await testSite()
})

afterAll(async () => {
  await site[Symbol.asyncDispose]()
})

async function startBusy(): Promise<TestOrchestrator> {
  const node = await startOrchestrator(site.folder, await nodeConfiguration(site, 'a', 1, await peerToken(site, 'a')))
  const caller = { identity: site.certB, ca: site.caA.pem, host: HOST_A, port: node.peering }
  const { socket } = await connectPeering(caller, await peerToken(site, 'b'))
  const open = { type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: crypto.randomUUID() }
  socket?.send(JSON.stringify(open))
  await until(() => node.stderr().includes('session-established'), 'the session')
  socket?.on('error', () => {})
  socket?.pause()
  const { cert, key } = site.operatorA
  const tls = { host: '127.0.0.1', port: node.local, servername: HOST_A, ca: site.caA.pem, cert, key }
  const headers = { host: HOST_A, 'content-type': 'application/json', 'content-length': '1000' }
  const endless = request({ ...tls, method: 'POST', path: '/v1/peers', agent: false, headers })
  endless.on('error', () => {})
  await new Promise<void>((resolve) => endless.write('{', () => resolve()))
  return node
}

const isLeaving = (node: TestOrchestrator) => () => node.stderr().includes('"code":"shutdown"')

test('a first signal gives the others time, and ends with 0 within 5 s; a second one ends at once', async () => {
  const [patient, hurried] = await Promise.all([startBusy(), startBusy()])
  const stop = async (node: TestOrchestrator) => {
    const startedAt = performance.now()
    node.process.kill('SIGTERM')
    await until(isLeaving(node), 'the session to be told')
    return startedAt
  }
  const endOf = async (node: TestOrchestrator) => [await node.exited, performance.now()] as const
  const [patientAt] = await Promise.all([stop(patient), stop(hurried)])
  const patientEnd = endOf(patient)
  const hurriedEnd = endOf(hurried)
  expect([patient.process.exitCode, hurried.process.exitCode]).toEqual([null, null])

  const againAt = performance.now()
  hurried.process.kill('SIGTERM')
  const [hurriedCode, hurriedEndedAt] = await hurriedEnd
  expect(hurriedCode).toBe(1)
  expect(hurriedEndedAt - againAt).toBeLessThan(1_000)
  expect(patient.process.exitCode).toBe(null)
  const [code, endedAt] = await patientEnd
  expect(code).toBe(0)
  // It did wait for them, and not for ever.
  expect(endedAt - patientAt).toBeGreaterThan(1_500)
  expect(endedAt - patientAt).toBeLessThan(5_000)
})

test('refused handshakes beyond its bound are told as a number when it stops', async () => {
  const configuration = {
    ...(await nodeConfiguration(site, 'a', 1, await peerToken(site, 'a'))),
    limits: { handshakeRecords: 10 },
  }
  await using node = await startOrchestrator(site.folder, configuration)
  for (let at = 0; at < 25; at += 1) {
    const plain = connect({ host: '127.0.0.1', port: node.local }, () => plain.write('GET / HTTP/1.1\r\n\r\n'))
    await once(
      plain.on('error', () => {}),
      'close',
    )
  }
  const refused = () => node.decisions().filter(({ guard }) => guard === 'tls.handshake')
  expect(refused().length).toBe(10)

  node.process.kill('SIGTERM')
  expect(await node.exited).toBe(0)
  expect(refused().length).toBe(11)
  expect(refused().at(-1)).toMatchObject({ reason: 'handshake_failed', notWritten: 14 })
})
