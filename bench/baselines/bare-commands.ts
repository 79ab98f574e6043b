import { createServer } from 'node:https'
import { text } from 'node:stream/consumers'
import { jetstream } from '@nats-io/jetstream'
import { connectBroker } from '../../services/shared/nats/broker-connection.ts'
import { serve } from './serve.ts'

// `node:https` over mutual TLS that publishes what it was sent, and answers when the broker has it. It keeps nothing, and knows no id again.
serve(async ({ cert, key, ca, client }) => {
  const connection = await connectBroker(client!.target, client!.login)
  const stream = jetstream(connection)
  return createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, async (request, response) => {
    try {
      const { id, host, verb, args } = JSON.parse(await text(request))
      const body = JSON.stringify({ id, verb, args })
      const published = await stream.publish(`WORKLOAD.${host}.cmd.${verb}`, body, { msgID: id, timeout: 2_000 })
      const answer = JSON.stringify({ stream: published.stream, seq: published.seq, duplicate: published.duplicate })
      response.writeHead(202, { 'Content-Type': 'application/json', 'Content-Length': answer.length }).end(answer)
    } catch {
      response.writeHead(503).end()
    }
  })
})
