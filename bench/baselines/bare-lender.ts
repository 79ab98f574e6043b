import { constants } from 'node:crypto'
import { createServer } from 'node:https'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { serve } from './serve.ts'

// `node:https` over mutual TLS 1.3: to POST it answers the rows of one statement, to GET what lies ready. It knows no grant, no scope and no log.
serve(async ({ cert, key, ca, body = '', database }) => {
  const pool = new pg.Pool({ connectionString: database?.url, max: 20 })
  const list = async (asked: string): Promise<string> => {
    JSON.parse(asked)
    const { rows } = await pool.query(database!.statement.text, [...database!.statement.values])
    return JSON.stringify({ items: rows, nextCursor: null, _truncated: true, _partial: false })
  }
  const proven = { requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const
  const options = { cert, key, ca, ...proven, secureOptions: constants.SSL_OP_NO_TICKET }
  return createServer(options, async (request, response) => {
    try {
      const answer = Buffer.from(request.method === 'GET' ? body : await list(await text(request)))
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length }).end(answer)
    } catch {
      response.writeHead(503).end()
    }
  })
})
