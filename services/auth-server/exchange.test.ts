import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test, vi } from 'vitest'
import type { TlsConnection } from '../shared/tls-listener.ts'
import { type ServiceContext, serve } from './exchange.ts'

const connection = { conn: '127.0.0.1:1', listener: 'public', certificate: undefined } as unknown as TlsConnection
const request = {
  ...{ url: '/jwks', method: 'GET', complete: true, socket: { localPort: 1 } },
  ...{ rawHeaders: ['Host', 'auth.test'], headers: { host: 'auth.test' } },
} as unknown as IncomingMessage

function answering() {
  const response = { headersSent: false, writeHead: vi.fn(), end: vi.fn(), destroy: vi.fn() }
  const error = vi.fn()
  const record = vi.fn()
  const service = { log: { error }, decisions: { record }, issuer: 'https://auth.test', hosts: ['auth.test'] }
  const done = serve(
    service as unknown as ServiceContext,
    request,
    response as unknown as ServerResponse,
    connection,
    async (exchange) => exchange.answer(200, {}),
  )
  return { response, error, record, done }
}

test('what was put on record is answered', async () => {
  const { response, record, done } = answering()
  await done
  expect(record).toHaveBeenCalledOnce()
  expect(response.end).toHaveBeenCalledOnce()
})

test('what cannot be put on record is not answered, and ends nothing but its own connection', async () => {
  const { response, error, record, done } = answering()
  record.mockImplementation(() => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  })
  await done
  expect(response.writeHead).not.toHaveBeenCalled()
  expect(response.destroy).toHaveBeenCalledOnce()
  expect(error).toHaveBeenLastCalledWith('decision-not-recorded', expect.objectContaining({ code: 'ENOSPC' }))
})
