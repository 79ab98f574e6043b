// Loaded with `--import` into a service, from outside: its modules are replaced by instrumented ones, in which every mutant waits to
// be switched on by a file. What was come to, and which guards refused, is written back each time, and when the service ends: so it is
// known what covers what. Several programs may be at one place, one after the other or at once: each writes a file of its own.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

const { HOLDFAST_MUTANTS: folder, HOLDFAST_MUTATED_SITE: site, HOLDFAST_MUTATED_PLACE: place } = process.env
const MODULE = /\/services\/(.+\.[tj]s)$/
const SEAM = /^shared\/guard\.[tj]s$/
const DECLARATION = /^export function guard\b/m
const everyMs = 10
/** The service that this program is of, by its entry, or that of its thread: whatever else a service runs is given the same environment. */
const [, service] = /^.*\/services\/([^/]+)\//.exec(process.argv[1] ?? '') ?? []

if (folder && site && place && service) {
  let [turn, active] = readSwitch()
  let now = nothingIn(turn)
  let before
  globalThis.holdfastMutant = (number) => {
    now.reached.add(number)
    return number === active
  }
  globalThis.holdfastRefusal = (guard, refusal) => {
    if (refusal !== undefined) now.refused.add(guard)
    return refusal
  }
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const path = MODULE.exec(url)?.[1]
      const source = path && (instrumented(path) ?? (SEAM.test(path) ? String(loaded.source) : undefined))
      if (!source) return loaded
      return { ...loaded, source: SEAM.test(path) ? withRecords(source) : source }
    },
  })
  if (isMainThread) {
    mkdirSync(place, { recursive: true })
    write(false)
    process.on('exit', () => write(true))
  }
  setInterval(() => {
    const [next, number] = readSwitch()
    if (next === turn) return
    before = now
    now = nothingIn(next)
    turn = next
    active = number
    if (isMainThread) write(false)
  }, everyMs).unref()

  /** What was seen in this turn and the one before. Threads of the service go along, and say nothing. */
  function write(hasEnded) {
    const turns = before === undefined ? [now] : [before, now]
    const seen = turns.map((one) => ({ turn: one.turn, reached: [...one.reached], refused: [...one.refused] }))
    const file = join(place, `${process.pid}.json`)
    writeFileSync(`${file}.part`, JSON.stringify({ pid: process.pid, turn, hasEnded, seen }))
    renameSync(`${file}.part`, file)
  }
}

function nothingIn(turn) {
  return { turn, reached: new Set(), refused: new Set() }
}

/** `TURN NUMBER`, number 0 for none. */
function readSwitch() {
  return readFileSync(join(site, 'switch'), 'utf8').split(' ').map(Number)
}

function instrumented(path) {
  try {
    return readFileSync(join(folder, 'services', service, path), 'utf8')
  } catch (failure) {
    if (failure.code === 'ENOENT') return undefined
    throw failure
  }
}

/** The module in which every guard is declared, with each refusal told. */
function withRecords(source) {
  if (!DECLARATION.test(source)) throw new Error('no guard function is declared: nothing can be covered')
  return `${source.replace(DECLARATION, 'function declareGuard')}
export function guard(id, reasons, check) {
  const told = (refusal) => globalThis.holdfastRefusal(id, refusal)
  return declareGuard(id, reasons, (context) => {
    const verdict = check(context)
    return verdict instanceof Promise ? verdict.then(told) : told(verdict)
  })
}
`
}
