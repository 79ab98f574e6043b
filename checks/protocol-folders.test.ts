import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { protocols } from '../harness/shipped.ts'
import { root } from './documents.ts'

// A protocol is a folder and a line: general code gets it by its name, out of what an action says.

/** Whose business protocols are beside their own folders: kinds whose programs speak them, families that attack them. */
const users = /^harness\/(kinds|attacks\/[^/]+)\//
const isTest = /\.(test|soak)\.ts$|\/(testing|fixtures)\//
/** Lines that may name one, each with why. */
const known = [
  /isPlain: protocol === 'http'|protocol === 'http' && behind/, // the scheme of a listener without TLS, which is another word of the plan
  /protocols\.get\('http'\)\?\.paste/, // the plan knows of two ways to ask whether a unit is ready, and HTTPS is one
]

/** Words of another meaning are left alone: `tls` is a layer of decisions, too, and `http` a probe. */
function namingProtocol(name: string): RegExp {
  const forms = [
    `/protocols/${name}/index\\.ts'`,
    `speaks:${name}\\b`,
    `request: \\{ ${name}:`,
    `\\.get\\('${name}'\\)`,
    `(protocol|spoken|\\.name) [!=]== '${name}'`,
    `AnyProtocol\\[\\] = .*\\b${name}\\b`,
  ]
  return new RegExp(forms.join('|'))
}

const sources = new Map<string, string>()
for await (const file of glob('harness/**/*.ts', { cwd: root })) {
  if (!users.test(file) && !isTest.test(file)) sources.set(file, readFileSync(join(root, file), 'utf8'))
}

test.each([...protocols.keys()])('outside of its folder %s is named where it is listed, and nowhere else', (name) => {
  const naming = namingProtocol(name)
  const outside = [...sources].filter(([file]) => !file.startsWith(`harness/protocols/${name}/`))
  const lines = outside.flatMap(([file, text]) =>
    text.split('\n').flatMap((line) => (naming.test(line) && !known.some((one) => one.test(line)) ? file : [])),
  )
  expect(sources.size).toBeGreaterThan(200)
  // Its import and its entry.
  expect(lines).toEqual(['harness/shipped.ts', 'harness/shipped.ts'])
})

test.each([
  "import { tls } from '../protocols/tls/index.ts'",
  "  if (surfaces.has('speaks:tls')) return",
  "  request: { tls: { expect: 'silence' } },",
  "  const paste = protocols.get('tls')?.paste",
  "  if (protocol.name === 'tls') return",
])('%s names a protocol', (line) => {
  expect(line).toMatch(namingProtocol('tls'))
})

test.each([
  "  if (decision.layer === 'tls') return",
  '  const { url, tls } = ready.http',
  '  request: { http: { tls: {} } }',
])('%s does not name this one', (line) => {
  expect(line).not.toMatch(namingProtocol('tls'))
})
