// Loaded with `--import` into a service, from outside: takes the verdict of one guard away, so that everything passes it.
// The service has no switch for this; the seam is the module in which every guard is declared.
import { registerHooks } from 'node:module'

const { HOLDFAST_REMOVED_GUARD: removed, HOLDFAST_UNIT: unit } = process.env
const SEAM = /\/services\/shared\/guard\.(ts|js)$/
const DECLARATION = /^export function guard\b/m

if (removed) {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!SEAM.test(url)) return loaded
      const source = String(loaded.source)
      if (!DECLARATION.test(source)) throw new Error(`${url} declares no guard function: nothing was taken out`)
      // Not each program of a service declares all of its guards.
      if (unit) process.stderr.write(line('guard-removal', removed))
      return { ...loaded, source: source.replace(DECLARATION, 'function declareGuard') + replacement(removed) }
    },
  })
}

// Said in the log of a unit alone: of what a test runs itself it reads every line, and one of ours would turn it red.
function line(event, guard) {
  return `${JSON.stringify({ level: 'warn', event, guard })}\n`
}

// Some guards read what they judge (a body, a file) and leave it in their context, so the check still runs: what is taken
// away is its refusal. Sessions judge synchronously, so a synchronous check stays one.
function replacement(id) {
  return `
export function guard(id, reasons, check) {
  if (id !== ${JSON.stringify(id)}) return declareGuard(id, reasons, check)
  ${unit ? `process.stderr.write(${JSON.stringify(line('guard-removed', id))})` : ''}
  return declareGuard(id, reasons, (context) => {
    const verdict = check(context)
    return verdict instanceof Promise ? verdict.then(() => undefined) : undefined
  })
}
`
}
