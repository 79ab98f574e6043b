import { readFileSync } from 'node:fs'
import type { KnownDifferences } from '../harness/site/known-differences.ts'

/** Known differences by the name of what is tried: `goCells`, `goAttacks`. */
export type Controls = Readonly<Record<string, KnownDifferences>>

interface Occupant {
  readonly target: string
  readonly is: string
  readonly should: string
}

interface Stack {
  readonly is: string
  readonly settings?: object
  /** One run of the right version, `--full`, when it was entered. */
  readonly tests: number
  readonly seconds: number
  readonly wrong: Readonly<Record<string, { readonly is: string; readonly causes: readonly string[] }>>
}

const stacks: Readonly<Record<string, Stack>> = JSON.parse(
  readFileSync(new URL('../fixtures/controls/stacks.json', import.meta.url), 'utf8'),
)

/** The resource servers of `fixtures/controls/`, and how each of them must come out. */
const occupants: readonly Occupant[] = [
  occupant(
    'haproxy',
    'haproxy 2.6, rules with `jwt_verify` and `ssl_c_der,sha2(256),ub64enc`',
    'nobody let in with a wrong token or certificate',
  ),
  occupant('apache', 'Apache 2.4 with mod_oauth2 3.3.1, `mtls.policy=required`', 'no attack on the binding let in'),
  occupant('express', 'express-oauth2-jwt-bearer 1.10.0 with `mtls`', 'no attack on the binding let in'),
  occupant('apache-optional', 'the same Apache, `mtls.policy=optional`', 'red: an unbound token is let in'),
  occupant(
    'express-anybody',
    'the same Express, which takes a certificate of any CA',
    'red: the chain is not looked at',
  ),
  occupant('express-unset', 'the same Express, without `mtls`', 'red: the binding is not looked at'),
  occupant(
    'express-nearly',
    'the same Express, which compares issuer, audience, thumbprint and scope by hand',
    'red: each of the four is compared with less than the whole of it',
  ),
  occupant(
    'https-unverified',
    'Node’s https, `rejectUnauthorized: false`, no look at `authorized`',
    'red: any certificate is let in',
  ),
  occupant('go', 'Go’s net/http with golang-jwt 5.3.1 and keyfunc 3.9.2', 'no attack on the binding let in'),
  occupant('go-any-certificate', 'the same, `tls.RequireAnyClientCert`', 'red: the chain is not looked at'),
  occupant('go-any-audience', 'the same, without `jwt.WithAudience`', 'red: the audience is not looked at'),
  occupant('go-unbound', 'the same, without a look at `cnf`', 'red: the binding is not looked at'),
  occupant(
    'go-scope-within',
    'the same, `strings.Contains(scope, …)`',
    'red: a scope that holds the right one is let in',
  ),
  occupant('python', 'aiohttp 3.14.5 with PyJWT 2.15.1', 'no attack on the binding let in'),
  occupant('python-cnf-if-there', 'the same, `if "cnf" in claims`', 'red: an unbound token is let in'),
  occupant('python-any-type', 'the same, without a look at `typ`', 'red: tokens of other types are let in'),
  occupant(
    'python-thumbprint-prefix',
    'the same, `own[:16] == found[:16]`',
    'red: thumbprints that begin alike are let in',
  ),
  occupant(
    'behind-haproxy',
    'a small program behind haproxy 2.6, as the kind sets it up, `Client-Cert`',
    'nobody let in by a header, nor past the proxy',
  ),
  occupant(
    'behind-nginx',
    'the same behind nginx 1.22, `X-Orders-Cert`',
    'nobody let in by a header, nor past the proxy',
  ),
  occupant('behind-haproxy-adds', 'the same, `add-header` instead of `set-header`', 'red: the proxy is at fault'),
  occupant('behind-nginx-keeps', 'the same, `map $http_x_orders_cert`', 'red: the proxy is at fault'),
  occupant(
    'behind-haproxy-named',
    'the same, the subject as it stands in `X-Forwarded-Client-Cert`',
    'red: a name is read as an element',
  ),
  occupant('behind-haproxy-open', 'the program hears whoever reaches its port', 'red: the program is at fault'),
  occupant('behind-nginx-open', 'the same behind nginx', 'red: the program is at fault'),
]

function occupant(name: string, is: string, should: string): Occupant {
  return { target: `${name} resource:read`, is, should }
}

/** Everything in which a gateway of others is known to differ, from what the scenarios of `scenarios/controls/` expect. */
export function controlsReference(controls: Controls): string {
  const all = Object.values(controls)
  return `${[
    '# Gateways of others, and what the suite finds in them',
    '',
    'Generated from the known differences of `scenarios/controls/`; each of them is a test that fails once it is no longer so. Whatever is',
    'not listed here came out as on our own nodes: all other cells of the matrix, and all other variants of the cases',
    'in `scenarios/controls/cases.ts`. What a standard leaves open, and our own nodes refuse all the same, is not tried on them.',
    '',
    table(
      ['gateway', 'is', 'must come out', 'verdict'],
      occupants.map(({ target, is, should }) => [nameOf(target), is, should, verdictOf(target, all)]),
    ),
    '',
    '## Stacks',
    '',
    'Gateways written by the documentation of their stacks, each with what `holdfast init` declares and what a user of it adds, without `strict`.',
    'The right version is green under `--full`; `npm run soak` tries all of them with `holdfast test`, and what a machine lacks for one is said there.',
    'Lines of declaration are those of the one unit of the gateway. Tests and seconds are of the right version, in one run of the soak',
    'on two cores.',
    '',
    table(
      ['stack', 'is', 'lines of declaration', 'tests', 'seconds'],
      Object.entries(stacks).map(([name, { is, settings, tests, seconds }]) =>
        [name, is, linesOf(unitWith(settings)), tests, seconds].map(String),
      ),
    ),
    '',
    'Each wrong version is the right one but for one thing, and red for that alone: these are all causes that its verdict tells, and the first of',
    'them stands in its first 20 lines.',
    '',
    table(
      ['stack', 'wrong', 'is the same, but', 'verdict'],
      Object.entries(stacks).flatMap(([name, { wrong }]) =>
        Object.entries(wrong).map(([version, { is, causes }]) => [name, version, is, causes.join('; ')]),
      ),
    ),
    ...occupants.flatMap(({ target }) => ['', `## ${nameOf(target)}`, '', differencesOf(target, all)]),
  ].join('\n')}\n`
}

/** A difference that a standard leaves open is no fault. */
function verdictOf(target: string, all: readonly KnownDifferences[]): string {
  const known = all.flatMap((differences) => Object.values(differences[target] ?? {}))
  const faults = known.filter(({ against }) => !against.startsWith('our own nodes only'))
  return faults.length === 0 ? 'green' : `${faults.length} red, all listed below`
}

/** As `holdfast init` writes it, and with what is added. */
function unitWith(added: object = {}): object {
  const settings = { run: ['./gateway'], request: 'GET /resource', scope: 'node:read', observe: 'status' }
  return { kind: 'exec', settings: { ...settings, ...added } }
}

/** As it is written: a list stands on one line. */
function linesOf(unit: unknown): number {
  const text = JSON.stringify(unit, null, 2)
  return text.replaceAll(/\[[^\]]*\]/g, '[]').split('\n').length
}

function nameOf(target: string): string {
  return target.split(' ')[0]!
}

/** One row for each clause and outcome, with everything that comes out so. */
function differencesOf(target: string, all: readonly KnownDifferences[]): string {
  const known = all.flatMap((differences) => Object.entries(differences[target] ?? {}))
  if (known.length === 0) return 'No difference.'
  const groups = Map.groupBy(known, ([, { comes, against }]) => JSON.stringify([comes, against]))
  const rows = [...groups.values()].map((alike) => {
    const [[, { comes, against }]] = alike as [(typeof alike)[0]]
    return [comes, against, alike.map(([name]) => name).join('; ')]
  })
  return table(['comes', 'against', 'where'], rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
