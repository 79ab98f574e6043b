import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { serveEntry } from './entry.ts'

// What a machine does, done here: what lies between is the same stream.

const folder = mkdtempSync(join(tmpdir(), 'holdfast-entry-'))
const socket = join(folder, 'socket')
const server = net.createServer({ allowHalfOpen: true }, (stream) => serveEntry(stream, folder))

beforeAll(() => once(server.listen(socket), 'listening'))
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

function enter(argv: readonly string[], at = socket) {
  return spawn(process.execPath, [join(import.meta.dirname, 'enter.ts'), at, ...argv], { stdio: 'pipe' })
}

async function ended(child: ReturnType<typeof enter>, input?: string) {
  if (input !== undefined) child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { stdout, stderr, code }
}

test('what is run there has the streams of who enters, and how it ended is how he ends', async () => {
  const script = 'cat; echo beside >&2; pwd; exit 3'
  expect(await ended(enter(['sh', '-c', script]), 'said here\n')).toEqual({
    stdout: `said here\n${folder}\n`,
    stderr: 'beside\n',
    code: 3,
  })
  const long = await ended(enter(['sh', '-c', 'yes | head -c 3000000']), '')
  expect([long.stdout.length, long.code]).toEqual([3_000_000, 0])
})

test('it ends though its input stays open, and tells why nothing was started, or what ended it', async () => {
  expect(await ended(enter(['true']))).toMatchObject({ code: 0 })
  expect(await ended(enter(['/nowhere/x']))).toMatchObject({ code: 127, stderr: expect.stringContaining('ENOENT') })
  expect(await ended(enter(['sh', '-c', 'kill -9 $$']))).toMatchObject({
    code: 137,
    stderr: 'sh was ended by SIGKILL\n',
  })
  expect(await ended(enter(['true'], `${socket}-gone`))).toMatchObject({
    code: 1,
    stderr: `nobody brings ${socket}-gone to a machine any more; is the run still up?\n`,
  })
})

test('what is run there ends with who entered, and all that it started', async () => {
  const child = enter(['sh', '-c', 'sleep 1000 & echo $!; wait'])
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  const isThere = () => {
    try {
      return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${Number(said)}/stat`, 'utf8'))
    } catch {
      return false
    }
  }
  expect(isThere()).toBe(true)
  child.kill('SIGKILL')
  await vi.waitUntil(() => !isThere(), { timeout: 5_000 })
})
