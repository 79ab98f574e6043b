// Loaded with `--import` into a service, from outside: its modules are replaced by instrumented ones, in which every mutant waits to
// be switched on by a file. What was come to, and which guards refused, is written back each time, and when the service ends: so it is
// known what covers what.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

const folder = process.env.HOLDFAST_MUTANTS
const site = process.env.HOLDFAST_MUTATED_SITE
const answerFile = process.env.HOLDFAST_MUTATED_UNIT
const MODULE = /\/services\/(.+\.[tj]s)$/
const SEAM = /^shared\/guard\.[tj]s$/
const DECLARATION = /^export function guard\b/m
const everyMs = 10

if (folder && site && answerFile) {
  let [turn, active] = readSwitch()
  const before = seenBefore()
  // A unit that a test starts anew goes on from what its process before came to.
  const isAnew = before?.ended && before.turn === turn
  let reached = new Set(isAnew ? before.reached : [])
  let refused = new Set(isAnew ? before.refused : [])
  globalThis.holdfastMutant = (number) => {
    reached.add(number)
    return number === active
  }
  globalThis.holdfastRefusal = (guard, refusal) => {
    if (refusal !== undefined) refused.add(guard)
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
  write({ turn })
  process.on('exit', () => write({ turn, ended: true }))
  setInterval(() => {
    const [next, number] = readSwitch()
    if (next === turn) return
    write({ turn: next })
    reached = new Set()
    refused = new Set()
    turn = next
    active = number
  }, everyMs).unref()

  /** What was seen since the last turn. Threads of the service go along, and say nothing. */
  function write(answer) {
    if (!isMainThread) return
    const seen = { ...answer, pid: process.pid, reached: [...reached], refused: [...refused] }
    writeFileSync(`${answerFile}.part`, JSON.stringify(seen))
    renameSync(`${answerFile}.part`, answerFile)
  }
}

function seenBefore() {
  try {
    return JSON.parse(readFileSync(answerFile, 'utf8'))
  } catch (failure) {
    if (failure.code === 'ENOENT') return undefined
    throw failure
  }
}

/** `TURN NUMBER`, number 0 for none. */
function readSwitch() {
  return readFileSync(join(site, 'switch'), 'utf8').split(' ').map(Number)
}

function instrumented(path) {
  try {
    return readFileSync(join(folder, path), 'utf8')
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
