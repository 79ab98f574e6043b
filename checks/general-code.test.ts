import { globSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// Credential kinds, service kinds and protocols are folders that come and go: general code is handed them, and names none.

const root = new URL('../harness/', import.meta.url).pathname
const foldersOf = (folder: string) =>
  readdirSync(`${root}${folder}`, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []))
const kinds = [...foldersOf('credentials'), ...foldersOf('kinds')]
// Layers of a refusal have such names, too; who gets a protocol by its name is found below.
const protocols = foldersOf('protocols').filter((name) => !['http', 'tls'].includes(name))

const NAMED = new RegExp(`['"\`](${[...kinds, ...protocols].join('|')})(?=['"\`/])|/(${kinds.join('|')})/`)
const OF_ONE_KIND = /\b(cnf|jti|x5t)\b|protocols\.get\('/

/** The only lines that may, each with why. */
const KNOWN: readonly [file: RegExp, line: RegExp, because: string][] = [
  [
    /^(site\/credential|cli\/possible-calls)/,
    /'certificate'/,
    'a part of a call has the name of the kind: methods of scenarios are called after parts',
  ],
  [/^topology\/(actions|check-accepts)/, /carrier ===/, 'what an action takes is told by how it is carried'],
  [
    /^(site\/insider|attacks\/surfaces)/,
    /certificateNaming|operatorsIn|identityAt/,
    'operators are let in by their certificates, whatever the system',
  ],
  [
    /^agent\/(hand-over|receive|protocol)/,
    /x5t|bound-token/,
    'minting is a hand-over whose call says to which certificate the holder binds it',
  ],
  [/^agent\/one-time-token/, /cnf/, 'the words of the CA, in which enrolment is asked for'],
  [/^attacks\/(lab|forgery|auth-server)/, /bound-token|jti|cnf/, 'what families on tokens have in common'],
  [/^attacks\/lab/, /'certificate'|\/certificate\//, 'what families on certificates have in common'],
  [/^cli\/run-scenarios/, /ensureTools/, 'a program of the toolchain'],
  [
    /^(backends\/vm\/guest-files|cli\/(commands|init-lab))/,
    /nginx/,
    'a proxy that people have in front of a program of theirs, and its files on their machine',
  ],
  [/^(agent\/execute|backends\/launched-node)/, /ask\('exec'|\['exec'\]/, 'a request to the agent'],
  [/^cli\/possible-calls/, /protocols\.get\('http'\)/, 'a probe of the plan speaks it'],
]

const general = globSync('{site,vitest,trust,topology,cli,backends,agent,evidence,attacks}/**/*.ts', {
  cwd: root,
}).filter((file) => !/\.(test|soak)\.ts$|\/(testing|fixtures)\/|^attacks\/\w+\/|conformance/.test(file))

function namesIn(file: string): string[] {
  const code = readFileSync(`${root}${file}`, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  return code.split('\n').filter((line) => NAMED.test(line) || OF_ONE_KIND.test(line))
}

const isKnown = (file: string, line: string) => KNOWN.some(([of, known]) => of.test(file) && known.test(line))

test('general code names no credential kind, no service kind and no protocol', () => {
  const named = general.flatMap((file) =>
    namesIn(file).flatMap((line) => (isKnown(file, line) ? [] : `${file}: ${line}`)),
  )
  expect(general.length).toBeGreaterThan(150)
  expect(named).toEqual([])
})

test('what is known to do so still does', () => {
  const lines = general.flatMap((file) => namesIn(file).map((line) => [file, line] as const))
  for (const [of, known, because] of KNOWN) {
    expect(
      lines.some(([file, line]) => of.test(file) && known.test(line)),
      because,
    ).toBe(true)
  }
})
