// Loaded with `--import` into a service, from outside: replaces one guard by one that lets everything pass.
// The service has no switch for this; the seam is the module in which every guard is declared.
import { registerHooks } from 'node:module'

const removed = process.env.HOLDFAST_REMOVED_GUARD
const SEAM = /\/services\/shared\/guard\.(ts|js)$/
const DECLARATION = /^export function guard\b/m

if (removed) {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!SEAM.test(url)) return loaded
      const source = String(loaded.source)
      if (!DECLARATION.test(source)) throw new Error(`${url} declares no guard function: nothing was taken out`)
      return { ...loaded, source: source.replace(DECLARATION, 'function declareGuard') + replacement(removed) }
    },
  })
}

function replacement(id) {
  return `
export function guard(id, reasons, check) {
  if (id !== ${JSON.stringify(id)}) return declareGuard(id, reasons, check)
  process.stderr.write(JSON.stringify({ level: 'warn', event: 'guard-removed', guard: id }) + '\\n')
  return declareGuard(id, reasons, () => undefined)
}
`
}
