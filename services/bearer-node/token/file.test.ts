import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { testFolder } from '../../shared/testing/certificates.ts'
import { RefusedStart } from '../guards/refused-start.ts'
import { NEW, OLD, OTHER } from '../testing/tokens.ts'
import { type FileDemand, readTokenFiles, type TokenFiles } from './file.ts'

// Every row of the table of token files. What takes a user of its own (a file that this one may not read) is shown with processes, in
// start.test.ts.

const root = testFolder()
afterAll(() => rm(root, { recursive: true }))

const NOW = Date.parse('2026-01-01T00:00:00Z')
const HOUR = 3_600_000
const isRoot = process.getuid?.() === 0

let made = 0

/** A folder with a good token file. */
function place(content: string | Buffer = `${OLD}\n`, mode = 0o600): { folder: string; path: string } {
  made += 1
  const folder = join(root, String(made))
  mkdirSync(folder, { mode: 0o700 })
  const path = join(folder, 'token')
  writeFileSync(path, content, { mode })
  chmodSync(path, mode)
  return { folder, path }
}

const demand: FileDemand = {
  ...{ isRequired: true, uid: process.getuid!(), credentialsDirectory: undefined },
  ...{ longestOverlapMs: HOUR, now: () => NOW },
}

const read = (path: string, changes: Partial<FileDemand> = {}) => readTokenFiles(path, { ...demand, ...changes })

async function refusal(path: string, changes: Partial<FileDemand> = {}): Promise<RefusedStart> {
  const found = await read(path, changes).catch((failure: unknown) => failure)
  expect(found).toBeInstanceOf(RefusedStart)
  const failure = found as RefusedStart
  expect(failure.guard).toBe('bearer.file')
  expect(failure.message).toContain(path)
  expect(failure.message).not.toContain(OLD.slice(0, 12))
  return failure
}

const both = [true, false]

describe.each(both)('whether authentication is required (%s) or not', (isRequired) => {
  const changes = { isRequired }

  test('a good file is read: one line end or none, of either kind', async () => {
    for (const end of ['', '\n', '\r\n']) {
      const { path } = place(`${OLD}${end}`)
      expect(await read(path, changes)).toEqual({ sends: OLD, also: [], told: [] })
    }
    expect(await read(place(OLD, 0o400).path, changes)).toMatchObject({ sends: OLD, told: [] })
  })

  test.each([
    ['nothing', ''],
    ['a line end alone', '\n'],
    ['two line ends', `${OLD}\n\n`],
    ['a carriage return alone', `${OLD}\r`],
    ['a space before it', ` ${OLD}`],
    ['a space behind it', `${OLD} \n`],
    ['two tokens', `${OLD}\n${NEW}\n`],
    ['a name', `TOKEN=${OLD} #\n`],
    ['quotes', `"${OLD}"`],
    ['a byte order mark', `\u{feff}${OLD}`],
    ['a NUL', `${OLD}\0`],
    ['a byte above 127', Buffer.from(`${OLD}\xff`, 'latin1')],
    ['31 characters', 'a'.repeat(31)],
    ['513 characters', 'a'.repeat(513)],
    ['more than 4 KiB', 'a'.repeat(4097)],
  ])('content: %s', async (_, content) => {
    expect((await refusal(place(content).path, changes)).reason).toBe('file_content')
  })

  test('missing, itself or its folder', async () => {
    const { folder, path } = place()
    expect((await refusal(join(folder, 'other'), changes)).reason).toBe('file_missing')
    expect((await refusal(join(path, 'below'), changes)).reason).toBe('file_missing')
  })

  test('a folder, a link to a good file, a link to nothing, a pipe that nobody writes into, a socket, a device', async () => {
    const { folder, path } = place()
    const link = join(folder, 'link')
    symlinkSync(path, link)
    const dangling = join(folder, 'dangling')
    symlinkSync(join(folder, 'nowhere'), dangling)
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    const socket = join(folder, 'socket')
    const server = createServer()
    await new Promise<void>((listening) => server.listen(socket, listening))
    const began = performance.now()
    for (const other of [folder, link, dangling, pipe, socket, '/dev/null']) {
      expect({ other, reason: (await refusal(other, changes)).reason }).toEqual({ other, reason: 'file_not_regular' })
    }
    expect(performance.now() - began).toBeLessThan(5_000)
    server.close()
  })

  test('one that does not answer in time', async () => {
    const reading = refusal(place().path, { ...changes, withinMs: 1 })
    // When this thread is free again its time is over, before the system had a chance to answer.
    const began = performance.now()
    while (performance.now() - began < 20);
    expect((await reading).reason).toBe('file_unreadable')
  })

  test.runIf(!isRoot)('another owner than this user and root', async () => {
    expect((await refusal(place().path, { ...changes, uid: process.getuid!() + 1 })).reason).toBe('file_owner')
  })

  test.runIf(isRoot)('a file of another user, for whoever this one is; root’s is good', async () => {
    const { path } = place()
    chownSync(path, 4_711, 4_711)
    const failure = await refusal(path, changes)
    expect(failure.reason).toBe('file_owner')
    expect(failure.message).toContain('user 4711')
    expect(failure.message).toContain(`chown ${process.getuid!()} ${path}`)
    expect(await read(path, { ...changes, uid: 4_711 })).toMatchObject({ sends: OLD })
    expect(await read(place().path, { ...changes, uid: 4_711 })).toMatchObject({ sends: OLD })
  })

  test.each([0o604, 0o602, 0o601, 0o644, 0o666, 0o620, 0o660])('mode %o', async (mode) => {
    const { path } = place(OLD, mode)
    const failure = await refusal(path, changes)
    expect(failure.reason).toBe('file_mode')
    expect(failure.message).toContain(`mode 0${mode.toString(8)}`)
    expect(failure.message).toContain(`chmod 0600 ${path}`)
  })

  test('what it holds is judged before whose it is, and that before its mode', async () => {
    expect((await refusal(place('short', 0o644).path, changes)).reason).toBe('file_content')
    const { folder, path } = place(OLD, 0o644)
    chmodSync(folder, 0o777)
    expect((await refusal(path, changes)).reason).toBe('file_mode')
  })
})

describe('what others can only read, and where they could put another file', () => {
  test('stops a start where authentication is required', async () => {
    expect((await refusal(place(OLD, 0o640).path)).reason).toBe('file_mode')
    for (const mode of [0o770, 0o720, 0o702]) {
      const { folder, path } = place()
      chmodSync(folder, mode)
      const failure = await refusal(path)
      expect(failure.reason).toBe('file_directory')
      expect(failure.message).toContain(`chmod go-w ${folder}`)
    }
  })

  test('is told where it is not', async () => {
    const { told, sends } = await read(place(OLD, 0o640).path, { isRequired: false })
    expect([sends, told.length]).toEqual([OLD, 1])
    expect(told[0]).toContain('mode 0640')
    const { folder, path } = place()
    chmodSync(folder, 0o770)
    const files = await read(path, { isRequired: false })
    expect([files.sends, files.told.length]).toEqual([OLD, 1])
    expect(files.told[0]).toContain(`chmod go-w ${folder}`)
  })

  test('is right in the folder of credentials, in it and nowhere else', async () => {
    const { folder, path } = place(OLD, 0o440)
    expect(await read(path, { credentialsDirectory: folder })).toEqual({ sends: OLD, also: [], told: [] })
    expect((await refusal(path, { credentialsDirectory: join(root, 'other') })).reason).toBe('file_mode')
    expect((await refusal(path, { credentialsDirectory: folder.slice(0, -1) })).reason).toBe('file_mode')
    expect((await refusal(path, { credentialsDirectory: '' })).reason).toBe('file_mode')
    chmodSync(path, 0o444)
    expect((await refusal(path, { credentialsDirectory: folder })).reason).toBe('file_mode')
  })
})

describe('.also', () => {
  const inAnHour = new Date(NOW + HOUR).toISOString()
  const entry = (token: string, until = inAnHour) => ({ token, until })

  function beside(also: unknown, mode = 0o600): string {
    const { path } = place()
    writeFileSync(`${path}.also`, typeof also === 'string' ? also : JSON.stringify(also), { mode })
    chmodSync(`${path}.also`, mode)
    return path
  }

  const alsoOf = async (also: unknown): Promise<TokenFiles['also']> => (await read(beside(also))).also

  test('holds none, another one, or both of a roll', async () => {
    expect(await alsoOf([])).toEqual([])
    expect(await alsoOf([entry(NEW)])).toEqual([{ token: NEW, until: NOW + HOUR }])
    expect(await alsoOf([entry(NEW), entry(OLD)])).toHaveLength(2)
    expect(await alsoOf([entry(NEW, '2026-01-01T00:00:01Z')])).toEqual([{ token: NEW, until: NOW + 1_000 }])
  })

  test('may hold one whose time is over, which is no third value', async () => {
    const over = entry(OTHER, '2025-12-31T23:59:59Z')
    expect(await alsoOf([entry(NEW), over])).toHaveLength(2)
    expect(await alsoOf([over, over])).toHaveLength(2)
  })

  test.each([
    ['no JSON', 'token'],
    ['no list', entry(NEW)],
    ['three', [entry(NEW), entry(OLD), entry(NEW)]],
    ['a third value', [entry(NEW), entry(OTHER)]],
    ['no token', [entry('short')]],
    ['no time', [{ token: NEW }]],
    ['another member', [{ ...entry(NEW), since: inAnHour }]],
    ['a time that is none', [entry(NEW, '2026-13-01T00:00:00Z')]],
    ['a time of a place', [entry(NEW, '2026-01-01T00:00:00+00:00')]],
    ['a time as a number', [{ token: NEW, until: NOW + 1 }]],
    ['a time beyond the longest overlap', [entry(NEW, new Date(NOW + HOUR + 1).toISOString())]],
  ])('with %s is refused', async (_, also) => {
    const path = beside(also)
    const failure = await refusal(path)
    expect(failure.reason).toBe('file_content')
    expect(failure.message).toContain(`${path}.also`)
  })

  test('is under the rules of the token file', async () => {
    expect((await refusal(beside([entry(NEW)], 0o644))).reason).toBe('file_mode')
    const path = beside([entry(NEW)])
    renameSync(`${path}.also`, `${path}.other`)
    symlinkSync(`${path}.other`, `${path}.also`)
    expect((await refusal(path)).reason).toBe('file_not_regular')
  })
})
