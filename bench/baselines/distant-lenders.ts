import { createServer } from 'node:https'
import { setTimeout as wait } from 'node:timers/promises'
import { serve } from './serve.ts'

// Lenders of as many names as they are called by, that say what they have so many ms after they were asked, as if they were far away; and
// one that never does.
serve(async ({ cert, key, ca, lends }) => {
  const { rows, afterMs, silent } = lends!
  const proven = { requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const
  const capabilities = JSON.stringify({
    ...{ resources: ['tasks'], excluded_resources: [], max_rows_per_query: rows, grant_expires_at: null },
    supported_verbs: ['list', 'get', 'search', 'capabilities', 'renew'],
  })
  return createServer({ cert, key, ca, ...proven }, async ({ method, headers: { host = '' } }, response) => {
    const [name = ''] = host.split(':')
    if (name === silent) return
    await wait(afterMs)
    const answer = Buffer.from(method === 'GET' ? capabilities : listOf(name, rows))
    const headers = { 'Content-Type': 'application/json', 'Content-Length': answer.length, ETag: '"1"' }
    response.writeHead(200, headers).end(answer)
  })
})

const known = new Map<string, string>()

function listOf(source: string, count: number): string {
  const list = known.get(source) ?? JSON.stringify({ ...page, items: Array.from({ length: count }, () => row(source)) })
  known.set(source, list)
  return list
}

const page = { nextCursor: null, _truncated: false, _partial: false }
const at = '2026-01-31T09:00:00.000000Z'

function row(source: string) {
  const [id, ownerId] = [crypto.randomUUID(), crypto.randomUUID()]
  const told = { title: 'bench', body: 'text '.repeat(20), status: 'open', createdAt: at, updatedAt: at }
  return { id, ownerId, teamId: null, ...told, _source: source }
}
