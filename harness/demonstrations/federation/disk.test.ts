import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import { lookThrough } from './disk.ts'

const marker = 'mark00112233445566778899'
let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-disk-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** A node that is a folder of this machine. */
const site = () => {
  const exec = async ([, ...argv]: string[], { input }: { input: string }) => {
    const { status: code, stdout, stderr } = spawnSync(process.execPath, argv, { input, encoding: 'utf8' })
    return { code, stdout, stderr }
  }
  return { node: () => ({ dir, exec }) } as unknown as ScenarioSite
}

const codes = [...marker].map((one) => one.charCodeAt(0).toString(16))

test.each<[string, string, string | Buffer]>([
  ['as it is', 'raw', `x${marker}y`],
  ['in UTF-16', 'UTF-16', Buffer.from(`x${marker}y`, 'utf16le')],
  ['escaped as JSON', 'escaped', codes.map((code) => `\\u00${code}`).join('')],
  ['escaped as in a URL', 'percent', codes.map((code) => `%${code}`).join('')],
  ['in hexadecimal', 'hexadecimal', Buffer.from(`x${marker}`).toString('hex').toUpperCase()],
  ['in base64', 'base64', Buffer.from(marker).toString('base64')],
  ['in base64, one byte in', 'base64', Buffer.from(`x${marker}yz`).toString('base64')],
  ['in base64, two bytes in', 'base64', Buffer.from(`xy${marker}z`).toString('base64')],
  ['compressed', 'compressed raw', gzipSync(`x${marker}y`.repeat(3))],
  [
    'compressed within a file',
    'compressed raw',
    Buffer.concat([Buffer.from('head'), deflateSync(`x${marker}`), Buffer.from('tail')]),
  ],
  ['compressed, the end missing', 'compressed raw', gzipSync(`${marker}${'y'.repeat(5_000)}`).subarray(0, -12)],
])('finds a text %s', async (_, form, content) => {
  await mkdir(join(dir, 'deep', 'er'), { recursive: true })
  await writeFile(join(dir, 'deep', 'er', 'file'), content)
  await writeFile(join(dir, 'other'), 'nothing')

  const { found, files } = await lookThrough(site(), ['one'], ['mark99999999999999999999', marker])
  expect(files).toBe(2)
  expect(found).toContainEqual({ node: 'one', file: join(dir, 'deep', 'er', 'file'), form, needle: marker })
  expect(new Set(found.map(({ needle }) => needle))).toEqual(new Set([marker]))
})

test('finds bytes that are no text', async () => {
  const bytes = Buffer.from([0xff, 0x00, 0xfe, 0x80, 0xc0, 0x01, 0xe9, 0xaa])
  await writeFile(join(dir, 'raw'), Buffer.concat([Buffer.from('head'), bytes]))
  await writeFile(join(dir, 'base64'), Buffer.concat([Buffer.from('x'), bytes, Buffer.from('y')]).toString('base64'))
  const { found } = await lookThrough(site(), ['one'], [{ name: 'a key', bytes }])
  expect(found.map(({ form, needle }) => `${form} ${needle}`).sort()).toEqual(['base64 a key', 'raw a key'])
})

test('finds nothing that is not there, and says how much it looked at', async () => {
  await writeFile(join(dir, 'file'), gzipSync(marker.slice(1)))
  await writeFile(join(dir, 'other'), `${marker.slice(0, -1)} ${Buffer.from(marker).toString('hex').slice(2)}`)

  expect(await lookThrough(site(), ['one', 'two'], [marker])).toMatchObject({ found: [], files: 4 })
})

test('a node that cannot be looked through is no node without anything', async () => {
  await rm(dir, { recursive: true })
  await expect(lookThrough(site(), ['one'], [marker])).rejects.toMatchObject({ code: 'HOLDFAST_DISK_UNSEEN' })
})
