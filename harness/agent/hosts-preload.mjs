// Loaded into Node programs from outside (`--import`): host names of the run's plan resolve from its hosts file (`hosts-file.ts`). Where
// none is named, nothing is changed.
import dns from 'node:dns'
import { readFileSync, statSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const file = process.env.HOLDFAST_HOSTS
const systemLookup = dns.lookup
const systemLookupPromise = dns.promises.lookup

let known = { hosts: new Map(), suffixes: [] }
let version = ''

/** As with the system's own hosts file, whoever looks a name up finds what stands there now. It is only ever replaced. */
function read() {
  const { ino, mtimeMs } = statSync(file)
  if (version === `${ino} ${mtimeMs}`) return known
  known = parsed(readFileSync(file, 'utf8'))
  version = `${ino} ${mtimeMs}`
  return known
}

function parsed(text) {
  const entries = text.split('\n').flatMap((line) => {
    const [address, ...names] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/)
    return names.map((name) => [name, address])
  })
  const dotted = entries.filter(([name]) => name.includes('.'))
  return { hosts: new Map(entries), suffixes: [...new Set(dotted.map(([name]) => name.slice(name.indexOf('.'))))] }
}

/** The address of a host of the plan, an error for an unknown name beside them, undefined for any other name. */
function answer(hostname) {
  const { hosts, suffixes } = read()
  const name = String(hostname).toLowerCase()
  if (hosts.has(name)) return hosts.get(name)
  if (!suffixes.some((suffix) => name.endsWith(suffix))) return undefined
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), {
    errno: -3008,
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname,
  })
}

function lookup(hostname, options, callback) {
  const found = answer(hostname)
  if (found === undefined) return systemLookup(hostname, options, callback)
  const done = typeof options === 'function' ? options : callback
  const all = typeof options === 'object' && options?.all === true
  process.nextTick(() => {
    if (found instanceof Error) done(found)
    else if (all) done(null, [{ address: found, family: 4 }])
    else done(null, found, 4)
  })
}

async function lookupPromise(hostname, options) {
  const found = answer(hostname)
  if (found === undefined) return systemLookupPromise(hostname, options)
  if (found instanceof Error) throw found
  const entry = { address: found, family: 4 }
  return options?.all === true ? [entry] : entry
}

if (file !== undefined) {
  read()
  dns.lookup = lookup
  dns.promises.lookup = lookupPromise
  syncBuiltinESMExports()
}
