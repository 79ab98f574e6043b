import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { serveSeat } from './seat-server.ts'

test('a seat is for its own user alone, and its path no longer than a socket can have', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-seat-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = (bytes: number) => join(folder, 's'.repeat(bytes - folder.length - 1))

  await serveSeat(path(103))

  expect((await stat(path(103))).mode & 0o777).toBe(0o600)
  await expect(serveSeat(path(104))).rejects.toMatchObject({
    code: 'HOLDFAST_SEAT_PATH',
    message: expect.stringMatching(
      /^the seat \S+ has a path of 104 bytes, .* set HOLDFAST_RUNTIME_DIR to a shorter one$/,
    ),
  })
})
