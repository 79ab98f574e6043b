import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settings } from '../settings.ts'
import { findGo } from './installed.ts'
import { ClockOverlayFailed, movableTime } from './overlay.ts'
import { resolveTool } from './resolve.ts'
import { cacheFolder, readSource } from './source.ts'

const body = '\tif mono == 0 {\n\t\treturn Time{}\n\t}\n}\n'
const source = (reading: string) =>
  `package time\n\n// Now returns it.\nfunc Now() Time {\n\tsec, nsec, mono := ${reading}\n${body}`

test.each(['now()', 'runtimeNow()'])('the offset is added to what %s reads', (reading) => {
  const changed = movableTime(source(reading), 'time.go')

  expect(changed).toBe(source(`${reading}\n\tsec += holdfastOffset()`))
})

test.each<[string, string, RegExp]>([
  ['time.Now reads its clock in another way', source('clock.read()'), /stands there 0 times/],
  ['time.Now is gone', 'package time\n', /stands there 0 times/],
  ['there are two of it', source('now()') + source('now()'), /stands there 2 times/],
  ['the source was changed before', movableTime(source('now()'), 'time.go'), /has an offset of this kind already/],
])('the overlay fails when %s, naming the file and the way out', (_, text, why) => {
  const change = () => movableTime(text, '/go/src/time/time.go')

  expect(change).toThrow(ClockOverlayFailed)
  expect(change).toThrow(why)
  expect(change).toThrow(/^\/go\/src\/time\/time\.go: .*HOLDFAST_GO/)
})

const go = await findGo(settings())

test.skipIf(go === undefined)('the overlay fits the Go of this machine', () => {
  const root = execFileSync(go as string, ['env', 'GOROOT'], { encoding: 'utf8' }).trim()
  const file = join(root, 'src', 'time', 'time.go')

  expect(movableTime(readFileSync(file, 'utf8'), file)).toContain('Now()\n\tsec += holdfastOffset()\n')
})

test('builds with another clock lie in a folder of their own, and nothing else takes their place', async () => {
  const folder = (clock?: 'movable') => readSource().then((text) => cacheFolder(text, settings(), clock))
  expect(await folder('movable')).not.toBe(await folder())

  const elsewhere = { ...settings({}), cacheDir: '/nowhere', tools: { step: process.execPath } }
  expect((await resolveTool('step', { settings: elsewhere })).source).toBe('explicit')
  await expect(resolveTool('step', { settings: elsewhere, clock: 'movable' })).rejects.toThrow(
    /step with a clock that can be moved is missing.*holdfast doctor --install --movable-clock/,
  )
})
