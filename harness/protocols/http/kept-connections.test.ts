import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { expect, test } from 'vitest'
import { rogueAuthority } from '../../pki/authority.ts'
import { unspoiled } from '../../pki/spoiled.ts'
import { localSeat } from '../seat.ts'
import { endsUnsaid, keptConnections } from './kept-connections.ts'

test('requests one after the other share a connection, and bring their own headers and body', async () => {
  const authority = await rogueAuthority()
  const { certPem: cert, keyPem: key } = await unspoiled({ authority, subject: 'b.test', sans: ['b.test'] })
  let connections = 0
  const server = https.createServer({ cert, key }, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    response.end(`${request.headers.authorization} ${Buffer.concat(chunks)}`)
  })
  server.on('secureConnection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const endpoint = { seat: localSeat(), address: '127.0.0.1', port, host: 'b.test', anchorPem: authority.anchorPem }
  try {
    using kept = keptConnections(endpoint, 1)
    const send = (body: string) =>
      kept.send({ method: 'POST', path: '/', headers: [['Authorization', 'Bearer t']], body })
    expect(await send('one')).toMatchObject({ status: 200, body: 'Bearer t one' })
    expect(await send('two')).toMatchObject({ status: 200, body: 'Bearer t two' })
    expect(connections).toBe(1)

    using distrusting = keptConnections({ ...endpoint, host: 'a.test' }, 1)
    await expect(distrusting.send({ method: 'GET', path: '/', headers: [] })).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test.each([
  ['keeps connections', [], false],
  ['says that it ends them', ['Connection: close'], false],
  ['ends them unsaid', ['X-Ends: yes'], true],
] as const)('a far end that %s', async (_, lines, isLost) => {
  const authority = await rogueAuthority()
  const { certPem: cert, keyPem: key } = await unspoiled({ authority, subject: 'b.test', sans: ['b.test'] })
  const server = tls.createServer({ cert, key }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {
      socket.write(['HTTP/1.1 200 OK', 'Content-Length: 2', ...lines, '', '{}'].join('\r\n'))
      if (lines.length > 0) socket.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const endpoint = { seat: localSeat(), address: '127.0.0.1', port, host: 'b.test', anchorPem: authority.anchorPem }
    using kept = keptConnections(endpoint, 1)
    expect(await endsUnsaid(kept, { method: 'GET', path: '/', headers: [] })).toBe(isLost)
  } finally {
    server.close()
  }
})
