import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { SetupError } from '../../shared/setup-error.ts'
import { testFolder } from '../../shared/testing/certificates.ts'
import { SetClock } from '../testing/clock.ts'
import { NEW, OLD, OTHER } from '../testing/tokens.ts'
import { readTokenFiles } from './file.ts'
import { refOf } from './ref.ts'
import { beginning, beginRoll, endRoll, place, type RollStep, switching, switchRoll } from './roll.ts'

// The table of a roll, as a node reads its files after each step, and after each single write of a step.

const root = testFolder()
afterAll(() => rm(root, { recursive: true }))

const HOUR = 3_600_000
let made = 0

function site() {
  made += 1
  const folder = join(root, String(made))
  mkdirSync(folder, { mode: 0o700 })
  const tokenFile = join(folder, 'token')
  const newFile = join(folder, 'new')
  writeFileSync(tokenFile, `${OLD}\n`, { mode: 0o600 })
  writeFileSync(newFile, `${NEW}\n`, { mode: 0o600 })
  const clock = new SetClock()
  const roll = { tokenFile, overlapMs: HOUR, now: clock.wallMs }
  const read = async () => {
    const uid = statSync(tokenFile).uid
    const demand = { isRequired: true, uid, credentialsDirectory: undefined, longestOverlapMs: HOUR, now: clock.wallMs }
    const { sends, also } = await readTokenFiles(tokenFile, demand)
    const live = also.filter(({ until }) => until > clock.wallMs()).map(({ token }) => token)
    return { sends, accepts: [...new Set([sends, ...live])].sort() }
  }
  return { folder, tokenFile, newFile, clock, roll, read }
}

const BOTH = [NEW, OLD].sort()
const codeOf = (step: Promise<unknown>) =>
  step.then(
    () => undefined,
    (failure: unknown) => (failure as SetupError).code,
  )

test('goes through the three steps of the table', async () => {
  const { roll, newFile, clock, read, tokenFile } = site()
  expect(await read()).toEqual({ sends: OLD, accepts: [OLD] })

  const begun = await beginRoll(roll, newFile)
  expect(await read()).toEqual({ sends: OLD, accepts: BOTH })
  const until = new Date(clock.wallMs() + HOUR).toISOString()
  const accepts = [
    { ref: refOf(OLD), until: null },
    { ref: refOf(NEW), until },
  ]
  expect(begun).toEqual({ sends: refOf(OLD), accepts })

  clock.move(HOUR / 2)
  const switched = await switchRoll(roll)
  expect(await read()).toEqual({ sends: NEW, accepts: BOTH })
  expect(switched).toMatchObject({
    sends: refOf(NEW),
    accepts: [{ ref: refOf(NEW), until: null }, { ref: refOf(OLD) }],
  })
  clock.move(HOUR - 1)
  expect(await read()).toEqual({ sends: NEW, accepts: BOTH })

  expect(await endRoll(roll)).toEqual({ sends: refOf(NEW), accepts: [{ ref: refOf(NEW), until: null }] })
  expect(await read()).toEqual({ sends: NEW, accepts: [NEW] })
  expect(existsSync(`${tokenFile}.also`)).toBe(false)
})

test('ends by itself where nobody ends it', async () => {
  const { roll, newFile, clock, read } = site()
  await beginRoll(roll, newFile)
  await switchRoll(roll)
  clock.move(HOUR)
  expect(await read()).toEqual({ sends: NEW, accepts: [NEW] })
})

describe('at no moment is a value refused that should be accepted', () => {
  /** What a node makes of its files after each single write. */
  async function afterEachWrite({ roll, read }: ReturnType<typeof site>, { placements }: RollStep) {
    const seen = []
    for (const placement of placements) {
      place(placement, roll.tokenFile)
      seen.push(await read())
    }
    return seen
  }

  test('in a switch both are, with each of its two writes, and the value that is sent changes last', async () => {
    const here = site()
    await beginRoll(here.roll, here.newFile)
    expect(await afterEachWrite(here, await switching(here.roll))).toEqual([
      { sends: OLD, accepts: BOTH },
      { sends: NEW, accepts: BOTH },
    ])
  })

  test('and a step that broke off between two writes is finished by taking it again', async () => {
    const here = site()
    await beginRoll(here.roll, here.newFile)
    const { placements } = await switching(here.roll)
    place(placements[0]!, here.tokenFile)
    await switchRoll(here.roll)
    expect(await here.read()).toEqual({ sends: NEW, accepts: BOTH })
  })

  test('in the other order it would be: what reads between the writes finds one value', async () => {
    const here = site()
    await beginRoll(here.roll, here.newFile)
    const { placements, state } = await switching(here.roll)
    const seen = await afterEachWrite(here, { placements: [...placements].reverse(), state })
    expect(seen[0]).toEqual({ sends: NEW, accepts: [NEW] })
  })
})

describe('each step may be taken again', () => {
  test('and changes no more than until when', async () => {
    const { roll, newFile, read } = site()
    await beginRoll(roll, newFile)
    await beginRoll(roll, newFile)
    expect(await read()).toEqual({ sends: OLD, accepts: BOTH })
    await switchRoll(roll)
    await switchRoll(roll)
    expect(await read()).toEqual({ sends: NEW, accepts: BOTH })
    await endRoll(roll)
    await endRoll(roll)
    expect(await read()).toEqual({ sends: NEW, accepts: [NEW] })
  })

  test('but not before its turn, and nothing is written then', async () => {
    const { folder, roll, newFile, tokenFile, clock } = site()
    const before = readdirSync(folder)
    expect(await codeOf(switchRoll(roll))).toBe('roll_not_begun')
    expect(readdirSync(folder)).toEqual(before)

    await beginRoll(roll, newFile)
    const also = readFileSync(`${tokenFile}.also`, 'utf8')
    expect(await codeOf(endRoll(roll))).toBe('roll_not_switched')
    writeFileSync(newFile, OTHER)
    expect(await codeOf(beginRoll(roll, newFile))).toBe('roll_under_way')
    expect(readFileSync(`${tokenFile}.also`, 'utf8')).toBe(also)
    expect(readFileSync(tokenFile, 'utf8')).toBe(`${OLD}\n`)

    clock.move(HOUR)
    expect(await codeOf(switchRoll(roll))).toBe('roll_not_begun')
    expect(await codeOf(beginRoll(roll, newFile))).toBeUndefined()
  })

  test('and to the value that is sent nobody rolls', async () => {
    const { roll, newFile } = site()
    writeFileSync(newFile, OLD)
    expect(await codeOf(beginRoll(roll, newFile))).toBe('roll_pointless')
  })

  test('a new token that others may read is not taken', async () => {
    const { roll, newFile, tokenFile } = site()
    chmodSync(newFile, 0o644)
    await expect(beginRoll(roll, newFile)).rejects.toMatchObject({ reason: 'file_mode' })
    expect(existsSync(`${tokenFile}.also`)).toBe(false)
  })
})

test('files keep owner and mode of the token file, and nothing else is left beside them', async () => {
  const { folder, roll, newFile, tokenFile } = site()
  chmodSync(tokenFile, 0o400)
  if (process.getuid?.() === 0) chownSync(tokenFile, 4_711, 4_712)
  const { uid, gid } = statSync(tokenFile)
  await beginRoll(roll, newFile)
  await switchRoll(roll)
  for (const path of [tokenFile, `${tokenFile}.also`]) {
    expect(statSync(path)).toMatchObject({ uid, gid, mode: 0o100400 })
  }
  expect(readdirSync(folder).sort()).toEqual(['new', 'token', 'token.also'])
})

test('a step is worked out before anything of it is written', async () => {
  const { roll, newFile, tokenFile } = site()
  await beginning(roll, newFile)
  expect(existsSync(`${tokenFile}.also`)).toBe(false)
})
