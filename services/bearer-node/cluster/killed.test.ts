import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { bareEnvironment } from '../../shared/testing/environment.ts'

// Real disks, and processes that are killed (SIGKILL) between what they write and what they answer.

const root = mkdtempSync(join(tmpdir(), 'holdfast-killed-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const PROGRAM = fileURLToPath(new URL('testing/mortal-node.ts', import.meta.url))

interface Told {
  readonly status?: number
  readonly body?: Record<string, unknown>
  readonly ready?: string
}

class MortalNode implements AsyncDisposable {
  readonly #process
  readonly #lines: AsyncIterator<string>
  readonly exited: Promise<NodeJS.Signals | null>
  membership = ''

  private constructor(folder: string) {
    this.#process = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, folder, 'n2'], {
      ...{ env: bareEnvironment, stdio: ['pipe', 'pipe', 'inherit'] },
    })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.exited = new Promise((resolve) => this.#process.once('close', (_, signal) => resolve(signal)))
  }

  static async start(folder: string): Promise<MortalNode> {
    const node = new MortalNode(folder)
    node.membership = (await node.#told())?.ready ?? ''
    return node
  }

  /** Undefined: it ended before it answered. */
  async call(method: string, path: string, json: object, die?: 'at-write' | 'at-answer'): Promise<Told | undefined> {
    const message = { cluster: 'test', membership: this.membership, ...json }
    this.#process.stdin.write(`${JSON.stringify({ method, path, json: message, ...(die && { die }) })}\n`)
    return this.#told()
  }

  lease(candidate: string, epoch: number, die?: 'at-write' | 'at-answer'): Promise<Told | undefined> {
    return this.call('POST', '/v1/election/lease', { candidate, epoch, leaseMs: 600_000 }, die)
  }

  async #told(): Promise<Told | undefined> {
    const { value, done } = await this.#lines.next()
    return done ? undefined : (JSON.parse(value as string) as Told)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.exited
  }
}

test.each(['at-write', 'at-answer'] as const)(
  'a voter that is killed %s has given its word, and keeps it',
  async (when) => {
    const folder = join(root, when)
    {
      await using node = await MortalNode.start(folder)
      const answer = await node.lease('n1', 5, when)
      expect(answer).toEqual(
        when === 'at-write' ? undefined : { status: 200, body: expect.objectContaining({ epoch: 5 }) },
      )
      expect(await node.exited).toBe('SIGKILL')
    }
    await using node = await MortalNode.start(folder)

    expect(await node.lease('n3', 5)).toMatchObject({
      status: 409,
      body: { error: 'lease_held', holder: 'n1', epoch: 5 },
    })
    expect(await node.lease('n3', 6)).toMatchObject({ status: 409, body: { error: 'lease_held', holder: 'n1' } })
    expect(await node.lease('n1', 4)).toMatchObject({ status: 409, body: { error: 'stale_epoch', epoch: 5 } })
    expect(await node.lease('n1', 5)).toMatchObject({ status: 200, body: { result: 'renewed' } })
  },
)

test.each(['at-write', 'at-answer'] as const)('a replica that is killed %s has the record', async (when) => {
  const folder = join(root, `replica-${when}`)
  const record = {
    ...{ id: 'run-1', epoch: 3, version: 1, pipeline: 'pair', params: {}, key: 'k', digest: 'd', state: 'queued' },
    ...{ settled: false, createdAt: 0, stages: [] },
  }
  const put = (node: MortalNode, more: object, die?: 'at-write' | 'at-answer') => {
    return node.call('PUT', '/v1/replica/runs/run-1', { epoch: 3, record: { ...record, ...more } }, die)
  }
  {
    await using node = await MortalNode.start(folder)
    const answer = await put(node, {}, when)
    expect(answer?.status).toBe(when === 'at-write' ? undefined : 200)
    expect(await node.exited).toBe('SIGKILL')
  }
  await using node = await MortalNode.start(folder)

  // Its epoch is known again by the record alone.
  const late = await node.call('PUT', '/v1/replica/runs/run-1', { epoch: 2, record: { ...record, epoch: 2 } })
  expect(late).toMatchObject({ status: 409, body: { error: 'stale_epoch', epoch: 3 } })
  expect(await put(node, { version: 2 })).toMatchObject({ status: 200, body: { version: 2 } })
})
