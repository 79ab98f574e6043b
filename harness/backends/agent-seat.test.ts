import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { serveSeat } from '../agent/seat-server.ts'
import { agentSeat } from './agent-seat.ts'

const to = { address: '127.0.0.1', port: 9 }

async function pathOfSeat(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-seat-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return join(folder, 'seat')
}

test('a seat that ends before it has answered is gone, and refused nothing in the name of whom it called', async () => {
  const path = await pathOfSeat()
  await expect(agentSeat(path, '127.0.0.1').connect(to)).rejects.toMatchObject({ code: 'HOLDFAST_SEAT_GONE' })
  const server = net.createServer((asking) => asking.once('data', () => asking.destroy())).listen(path)
  onTestFinished(() => void server.close())

  await expect(agentSeat(path, '127.0.0.1').connect(to)).rejects.toMatchObject({ code: 'HOLDFAST_SEAT_GONE' })
})

test('what the system says of a call passes as it is, and so does the end of patience', async () => {
  const path = await pathOfSeat()
  await serveSeat(path)
  await expect(agentSeat(path, '127.0.0.1').connect(to)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  const silent = await pathOfSeat()
  const server = net.createServer().listen(silent)
  onTestFinished(() => void server.close())

  await expect(agentSeat(silent, '127.0.0.1').connect(to, AbortSignal.timeout(50))).rejects.toMatchObject({
    name: 'TimeoutError',
  })
})
