import { createServer } from 'node:https'
import { WebSocketServer } from 'ws'
import { serve } from './serve.ts'

// `ws` over mutual TLS that reads each message as JSON and does nothing with it.
serve(async ({ cert, key, ca }) => {
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true })
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (session) => {
      session.on('message', (data) => JSON.parse(String(data)))
      session.send(JSON.stringify({ type: 'open', version: 1, node: 'baseline', holdTimeMs: 90_000, session: 'bare' }))
    })
  })
  return server
})
