// Prints every guard of a program with its reasons, as one JSON object. Runs as a process of its own, since the harness loads
// no code of services into itself: `node list-guards.mjs <entry of the service, or of a subcommand of it>`.
import { existsSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const entry = pathToFileURL(process.argv[2] ?? '')
const SPECIFIER = /(?:\bfrom|\bimport\(?)\s*['"](\.[^'"]+)['"]/g
const DECLARES = /\bguard(?:<[^>]+>)?\(\s*['"]/

/** A subcommand is another program, which has guards of its own. */
const SUBCOMMAND = /\/subcommand\.[tj]s$/

// Only modules that declare guards are loaded: the service's entry would start it.
const modules = closure(entry)
for (const { url, text } of modules) if (DECLARES.test(text)) await import(url)
const seam = modules.find(({ url }) => /\/shared\/guard\.[tj]s$/.test(url))
const { guards } = seam === undefined ? { guards: () => [] } : await import(seam.url)
process.stdout.write(`${JSON.stringify(Object.fromEntries(guards()))}\n`)

/** All modules of ours that the entry reaches, loaded at once or later. */
function closure(entry) {
  const seen = new Map()
  const visit = (url) => {
    if (seen.has(url.href) || !existsSync(url)) return
    if (url.href !== entry.href && SUBCOMMAND.test(url.pathname)) return
    const text = readFileSync(url, 'utf8')
    seen.set(url.href, text)
    for (const [, specifier] of text.matchAll(SPECIFIER)) visit(new URL(specifier, url))
  }
  visit(entry)
  return [...seen].map(([url, text]) => ({ url, text }))
}
