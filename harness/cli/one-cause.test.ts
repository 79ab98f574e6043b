import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ScenarioReport } from './run-scenarios.ts'

// Two gateways, each with one fault, as somebody meets them who knows nothing of Holdfast.

const root = join(import.meta.dirname, '..', '..')
const examples = join(root, 'docs', 'guides', 'examples', 'gateway')
let folder: string

beforeAll(async () => {
  // Below the package, so that a gateway finds its libraries; where no check of the sources looks.
  const scratch = join(root, '.holdfast', 'scratch')
  await mkdir(scratch, { recursive: true })
  folder = await mkdtemp(join(scratch, 'one-cause-'))
  for (const name of ['refusing', 'unbound', 'unasked', 'hanging', 'http2']) {
    await mkdir(join(folder, name))
    await cp(join(examples, 'lab.json'), join(folder, name, 'lab.json'))
  }
  await cp(join(examples, 'first', 'gateway.mjs'), join(folder, 'unbound', 'gateway.mjs'))
  const right = await readFile(join(examples, 'gateway.mjs'), 'utf8')
  const refusing = right
    .replace("typ: 'at+jwt'", "typ: 'JWT'")
    .replace('error="${error}"', 'error="${error}", error_description="the type of the token is not allowed"')
  expect(refusing.match(/typ: 'JWT'|error_description/g)).toHaveLength(2)
  await writeFile(join(folder, 'refusing', 'gateway.mjs'), refusing)
  await writeFile(join(folder, 'unasked', 'gateway.mjs'), right.replace('requestCert: true', 'requestCert: false'))
  const silent = "app.get('/orders', (request) => console.log(`${request.path}: asks its database`))"
  const hanging = right.replace(/^app\.get\('\/orders', .*$/m, silent)
  expect(hanging).toContain('asks its database')
  await writeFile(join(folder, 'hanging', 'gateway.mjs'), hanging)
  await writeFile(join(folder, 'http2', 'gateway.mjs'), http2)
  const lab = await readFile(join(folder, 'http2', 'lab.json'), 'utf8')
  await writeFile(join(folder, 'http2', 'lab.json'), lab.replace('"keys"', '"readyWithin": "2s", "keys"'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const http2 = `
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
const { HOLDFAST_CERT, HOLDFAST_KEY, HOLDFAST_ADDRESS, HOLDFAST_PORT } = process.env
const tls = { cert: readFileSync(HOLDFAST_CERT), key: readFileSync(HOLDFAST_KEY), allowHTTP1: false }
const listens = () => console.log('listens, for HTTP/2')
createSecureServer(tls, (_, response) => response.end('{}')).listen(Number(HOLDFAST_PORT), HOLDFAST_ADDRESS, listens)
`

function holdfast(lab: string, ...argv: string[]): Promise<{ code: number; lines: string[]; stderr: string }> {
  return new Promise((resolve) => {
    const main = join(import.meta.dirname, 'main.ts')
    execFile(
      process.execPath,
      [main, ...argv],
      { cwd: join(folder, lab), env: { ...process.env, GITHUB_WORKSPACE: root } },
      (failure, stdout, stderr) => {
        resolve({ code: failure === null ? 0 : Number(failure.code), lines: stdout.trimEnd().split('\n'), stderr })
      },
    )
  })
}

const beginning = (lines: readonly string[], label: string) => lines.find((line) => line.startsWith(`    ${label} `))

test('where the right call is refused, that is the failure, with its answer and the words of the target; nothing else is tried', async () => {
  const { code, lines, stderr } = await holdfast('refusing', 'test', './lab.json')

  expect(code).toBe(1)
  expect(lines.length).toBeLessThan(60)
  expect(lines[0]).toBe('✗ gateway call lets nobody in: it refuses the call that it must accept')
  const top = lines.slice(0, 20)
  expect(beginning(top, 'its words')).toContain('the type of the token is not allowed')
  expect(beginning(top, 'its log')).toMatch(/refused: ERR_JWT_CLAIM_VALIDATION_FAILED/)
  expect(beginning(top, 'sent')).toContain('GET /orders HTTP/1.1')
  expect(beginning(lines, 'came')).toContain('HTTP/1.1 401')
  expect(lines.join('\n')).toMatch(/token header typ: "at\+jwt"/)
  expect(lines.join('\n')).not.toMatch(/eyJ[\w-]+\./)
  expect(lines.at(-1)).toMatch(
    /^\d+ passed · 1 failed · 1 more follows from it · \d{3} did not run \(nobody is let in at gateway call/,
  )
  expect(lines.at(-1)).not.toContain('guards')
  expect(stderr).toMatch(/✗ gateway-lab-refuses-the-rest .*, \d+ did not run/)

  const again = await holdfast('refusing', 'test', '--last-failed', '--quiet', '--json')
  expect(again.stderr).toBe('')
  const report = JSON.parse(again.lines.join('\n')) as ScenarioReport
  expect(report).toMatchObject({ passed: 0, failed: 1, follow: 1, didNotRun: [] })
}, 300_000)

test('where the binding is not looked at, that is one cause, told by the plain theft; its page can be read alone', async () => {
  const cases = ['--case', 'GEN-20,TLS-21,PEER-01,PEER-04,PEER-14']
  const { code, lines } = await holdfast('unbound', 'attack', './lab.json', ...cases)

  expect(code).toBe(1)
  const top = lines.slice(0, 20).join('\n')
  expect(lines[0]).toBe('✗ gateway call lets in what it must refuse: a token works for its holder only')
  expect(top).toContain('likely    nobody compares cnf of the token with the certificate of the connection')
  expect(top).toContain('received  accepted 200')
  expect(top).toContain('clause    RFC 8705 section 3')
  expect(top).toMatch(/\n {4}\d\d more failures with the same cause: \.holdfast\/last-test\.md\n/)
  expect(lines.at(-1)).toMatch(/ · 1 failed · \d\d more follow from it · 0 did not run/)

  const index = await readFile(join(folder, 'unbound', '.holdfast', 'last-test.md'), 'utf8')
  expect(index).toContain('Most likely nobody compares cnf')
  const [, twice = ''] = /\[[^\]]*GEN-20[^\]]*\]\(([^)]+)\)/.exec(index) ?? []
  const page = await readFile(join(folder, 'unbound', '.holdfast', twice), 'utf8')
  expect(page).toContain('It is demanded by RFC 7519 section 4; RFC 8725 section 2.8.')
  expect(page).toMatch(
    /### Differs from its control\n\n```text\ncnf: \{"x5t#S256":"[\w-]{43}"\} → \{"x5t#S256":"A{43}"\}/,
  )
  expect(page).toMatch(/### Sent\n\n```text\nGET \/orders HTTP\/1\.1\n/)
  expect(page).toMatch(/### Came\n\n```text\nHTTP\/1\.1 200\n/)
  expect(page).toMatch(/again {5}npx holdfast attack \.\/lab\.json --case GEN-20/)
  expect(page).not.toMatch(/eyJ[\w-]+\./)
  expect(dirname(twice)).toMatch(/^runs\//)
}, 300_000)

test('of a matrix and of attacks alike that is one cause, in what CI shows, too: a finding at the node that is declared', async () => {
  const reports = ['--reporter', 'junit=out/junit.xml', '--reporter', 'sarif', '--reporter', 'github']
  const { code, lines, stderr } = await holdfast('unbound', 'test', './lab.json', '-t', 'over ', ...reports)
  const { runs } = JSON.parse(lines.join('\n')) as { runs: { results: { locations: unknown }[] }[] }
  const declared = (await readFile(join(folder, 'unbound', 'lab.json'), 'utf8')).split('\n')
  const line = declared.findIndex((text) => text.startsWith('    "gateway": {')) + 1
  const path = relative(root, join(folder, 'unbound', 'lab.json'))

  expect(code).toBe(1)
  expect(runs[0]?.results).toMatchObject([{ ruleId: 'bound-token/binding', level: 'error' }])
  expect(runs[0]?.results[0]?.locations).toEqual([
    { physicalLocation: { artifactLocation: { uri: path, uriBaseId: '%SRCROOT%' }, region: { startLine: line } } },
  ])
  const commands = stderr.split('\n').filter((text) => text.startsWith('::error '))
  expect(commands).toEqual([expect.stringContaining(`file=${path},line=${line},title=gateway call lets in`)])
  const junit = await readFile(join(folder, 'unbound', 'out', 'junit.xml'), 'utf8')
  const types = [...junit.matchAll(/ type="([^"]*)"/g)].map(([, type]) => type)
  expect(types.length).toBeGreaterThan(1)
  expect([...new Set(types)]).toEqual(['gateway call: lets in a token that belongs elsewhere'])
  expect(junit).not.toMatch(/eyJ[\w-]+\./)
}, 300_000)

test('where the server asks for no certificate, that is told, and nothing is said to have been presented', async () => {
  const { code, lines } = await holdfast('unasked', 'attack', './lab.json', '--case', 'PEER-01', '-t', 'call lets in')
  const page = await readFile(join(folder, 'unasked', beginning(lines, 'page')!.trim().split(/ +/)[1]!), 'utf8')

  expect(code).toBe(1)
  expect(lines[0]).toBe('✗ gateway call lets nobody in: it refuses the call that it must accept')
  expect(lines.slice(0, 20).join('\n')).toMatch(/presented was no certificate: the server asked for none/)
  expect(page).toContain('no certificate was presented: the server asked for none')
  expect(page).not.toContain('(presented)')
}, 300_000)

test('of a handler that never answers is told what was sent, for how long nothing came, and what it printed', async () => {
  const { code, lines } = await holdfast('hanging', 'attack', './lab.json', '--case', 'PEER-01', '-t', 'call lets in')

  expect(code).toBe(1)
  expect(lines[0]).toBe('✗ gateway call lets nobody in: it refuses the call that it must accept')
  const top = lines.slice(0, 20)
  // Long enough for a cold start, and bounded.
  expect(beginning(top, 'received')).toMatch(/ no answer within 30 s \(status alone\)$/)
  expect(beginning(top, 'because')).toMatch(/ the caller got no answer within 30 s$/)
  expect(beginning(top, 'its log')).toMatch(/ \/orders: asks its database$/)
  expect(beginning(top, 'sent')).toContain('GET /orders HTTP/1.1')
  expect(beginning(lines, 'came')).toBeUndefined()
}, 300_000)

test('a gateway that does not come up is one cause, in words, with what it printed: HTTP/2 alone, say', async () => {
  const { code, lines } = await holdfast('http2', 'test', './lab.json')

  expect(code).toBe(1)
  expect(lines[0]).toBe('✗ nothing could be tried: gateway/gateway was not ready')
  const because = beginning(lines, 'because')
  expect(because).toContain('within 2000 ms its probe last said: it agrees to no HTTP/1.1 in the handshake (ALPN')
  expect(beginning(lines, 'its log')).toContain('listens, for HTTP/2')
  // Of the two files that are derived.
  expect(lines.at(-1)).toMatch(/^0 passed · 1 failed · \d{3} more follow from it · /)
}, 300_000)

test('a name chooses tests; what matches nothing is said, and a program of the user has no guards to take out', async () => {
  const [named, strange, misnamed, sabotaged] = await Promise.all([
    holdfast('unbound', 'test', './lab.json', '-t', 'refuses (token_missing)', '--json'),
    holdfast('unbound', 'test', './lab.json', 'nothing-like'),
    holdfast('refusing', 'test', './lab.json', '-t', 'no such name'),
    holdfast('unbound', 'sabotage', './lab.json'),
  ])

  const { passed, failed, scenarios } = JSON.parse(named.lines.join('\n')) as ScenarioReport
  expect([passed, failed]).toEqual([1, 0])
  expect(scenarios.map(({ name }) => name)).toEqual([expect.stringContaining('refuses (token_missing)')])
  expect(strange).toMatchObject({ code: 2, stderr: expect.stringContaining('matches "nothing-like"') })
  expect(misnamed).toMatchObject({ code: 2, stderr: expect.stringContaining('no test has "no such name" in its name') })
  expect(sabotaged).toMatchObject({ code: 1, stderr: expect.stringContaining('gateway is a program of your own') })
}, 300_000)
