// Prints every guard of a service with its reasons, as one JSON object. Runs as a process of its own, since the harness loads
// no code of services into itself: `node list-guards.mjs <folder of the service>`.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = process.argv[2] ?? ''
const suffix = existsSync(join(folder, 'main.ts')) ? 'ts' : 'js'
const SPECIFIER = /(?:\bfrom|\bimport\(?)\s*['"](\.[^'"]+)['"]/g
const DECLARES = /\bguard(?:<[^>]+>)?\(\s*['"]/

// Only modules that declare guards are loaded: the service's entry would start it.
const modules = closure(new URL(`main.${suffix}`, `${pathToFileURL(folder)}/`))
for (const { url, text } of modules) if (DECLARES.test(text)) await import(url)
const seam = new URL(`../shared/guard.${suffix}`, `${pathToFileURL(folder)}/`)
const { guards } = await import(seam.href)
process.stdout.write(`${JSON.stringify(Object.fromEntries(guards()))}\n`)

/** All modules of ours that the entry reaches, loaded at once or later. */
function closure(entry) {
  const seen = new Map()
  const visit = (url) => {
    if (seen.has(url.href) || !existsSync(url)) return
    const text = readFileSync(url, 'utf8')
    seen.set(url.href, text)
    for (const [, specifier] of text.matchAll(SPECIFIER)) visit(new URL(specifier, url))
  }
  visit(entry)
  return [...seen].map(([url, text]) => ({ url, text }))
}
