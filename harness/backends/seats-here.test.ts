import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { seatsHere } from './seats-here.ts'

async function folderOf(length: number): Promise<string> {
  const above = await mkdtemp(join(tmpdir(), 'hfs-'))
  onTestFinished(() => rm(above, { recursive: true, force: true }))
  const folder = join(above, 'r'.repeat(length - above.length - 1))
  await mkdir(folder)
  return folder
}

const nobody = () => Promise.reject(new Error('nobody is called'))

test('a seat with a longer path than sockets take is refused with what to do, and one with the longest is there', async () => {
  // `/seats/n` is put behind it.
  const [longest, longer] = [await folderOf(103 - 8), await folderOf(103 - 7)]
  await using seats = await seatsHere(longest, ['n'], nobody)
  expect(seats.pathOf('n')).toHaveLength(103)

  await expect(seatsHere(longer, ['n'], nobody)).rejects.toMatchObject({
    code: 'HOLDFAST_SEAT_PATH',
    message: `the seat ${longer}/seats/n has a path of 104 bytes, and a socket takes 103; set HOLDFAST_RUNTIME_DIR to a shorter one`,
  })
  expect(await readdir(longer)).toEqual([])
})
