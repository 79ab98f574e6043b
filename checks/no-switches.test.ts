import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { services as programs } from './services.ts'

// No service can be told to leave a check out: not by a key, a flag, a variable, or a line in its source.

const root = new URL('../services/', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'holdfast-switches-'))
afterAll(() => rmSync(folder, { recursive: true }))
const SWITCH =
  /skip|insecure|bypass|unsafe|disable|unverified|no-?auth\b|allow-?(any|all|anonymous)|test-?mode|debug-?mode/i

/** The only lines of the sources that may hold such a word, each with why it turns nothing off. */
const KNOWN = [
  /const SWITCH_LIKE = /, // names the variables that are ignored
  /rejectUnauthorized: false/, // the gate of the TLS listener judges instead, and has the reason
  /rejectUnauthorized: true/, // says the default aloud, so that no variable of the environment changes it
  /insecure algorithm|Message tracing disabled because of/, // words in which a broker says what it refuses, or leaves out
  /'(peer_)?disabled'/, // a peer that an operator switched off is refused
  /\b(disabledAt|disabled_at|isDisabled)\b|'(subject|user)_disabled'/, // and so is one for, or by, a user whom an administrator has put out of use
  /'skip'/, // what a doctor says of a check that it could not make, or that does not concern a gateway
  /\bdisableRenewal\b/, // keeps a CA from renewing certificates past us
  /rolbypassrls|NOBYPASSRLS/, // a role that may do so is found, and refused
  /'(peer_)?unverified'/, // a peer that does not prove who it is gets no request
  /'skipped'/, // what an answer says of a source that could not be asked
  /FOR UPDATE SKIP LOCKED/, // rows that somebody else is at are left to him
]

test('there are services to look at', () => {
  expect(programs).toEqual(expect.arrayContaining(['auth-server', 'orchestrator']))
})

test.each(programs)('%s: no flag, key or variable of its help names a switch', (program) => {
  const help = run(program, ['--help']).stdout
  expect(help).toContain('--config')
  expect(help.split('\n').filter((line) => SWITCH.test(line))).toEqual([])
})

/** A client: what keeps it from asking is a mistake of whoever calls it, like one on the command line. */
const CLIENTS: readonly string[] = ['federation-cli', 'p2p']

test.each(programs)('%s: a switch in its configuration file keeps it from starting', (program) => {
  const refused = CLIENTS.includes(program) ? 2 : 78
  for (const key of ['skipAuth', 'insecure', 'validate']) {
    const file = join(folder, 'config.json')
    writeFileSync(file, JSON.stringify({ [key]: true }))
    const { status, stderr } = run(program, ['--config', file])
    expect({ status, named: stderr.includes(`"${key}"`) }).toEqual({ status: refused, named: true })
  }
})

test('no line of the sources holds one', () => {
  const lines = sources().flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .map((text, index) => ({ text: text.trim(), place: `${file.slice(root.length)}:${index + 1}` }))
      .filter(({ text }) => SWITCH.test(code(text)) || /rejectUnauthorized/.test(text))
      .filter(({ text }) => !KNOWN.some((known) => known.test(text))),
  )
  expect(lines).toEqual([])
})

test('the check finds a switch where there is one', () => {
  for (const line of [
    'if (settings.skipAuth) return',
    'const mode = "insecure"',
    '--no-auth',
    'allowAnonymous: true',
  ]) {
    expect(SWITCH.test(code(line))).toBe(true)
  }
  expect(SWITCH.test(code('noAutomaticRetry: true // may skip authentication'))).toBe(false)
})

/** Words in comments turn nothing off. */
function code(line: string): string {
  return /^(\/\*|\*|\/\/)/.test(line) ? '' : line.replace(/\s\/\/ .*$/, '')
}

function sources(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '.'], {
    cwd: root,
    encoding: 'utf8',
  })
  return listed
    .split('\n')
    .filter((file) => /\.(ts|mjs|js)$/.test(file) && !/\.test\.ts$|(^|\/)testing(\/|\.ts$)/.test(file))
    .map((file) => join(root, file))
}

function run(program: string, args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, program, 'main.ts'), ...args],
    {
      encoding: 'utf8',
      timeout: 20_000,
    },
  )
}
