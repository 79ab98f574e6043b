import type { KnownDifferences } from '../harness/site/known-differences.ts'

export interface Controls {
  readonly debianCells: KnownDifferences
  readonly npmCells: KnownDifferences
  readonly debianAttacks: KnownDifferences
  readonly npmAttacks: KnownDifferences
}

interface Occupant {
  readonly target: string
  readonly is: string
  readonly should: string
}

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
    'https-unverified',
    'Node’s https, `rejectUnauthorized: false`, no look at `authorized`',
    'red: any certificate is let in',
  ),
]

function occupant(name: string, is: string, should: string): Occupant {
  return { target: `${name} resource:read`, is, should }
}

/** Everything in which a gateway of others is known to differ, from what the scenarios of `scenarios/controls/` expect. */
export function controlsReference(controls: Controls): string {
  const cells = { ...controls.debianCells, ...controls.npmCells }
  const attacks = { ...controls.debianAttacks, ...controls.npmAttacks }
  return `${[
    '# Gateways of others, and what the suite finds in them',
    '',
    'Generated from the known differences of `scenarios/controls/`; each of them is a test that fails once it is no longer so. Whatever is',
    'not listed here came out as on our own nodes: all other cells of the matrix, and all other variants of the cases',
    'in `scenarios/controls/cases.ts`. “Our own nodes only”: a standard leaves it open, and our nodes refuse it.',
    '',
    table(
      ['gateway', 'is', 'must come out'],
      occupants.map(({ target, is, should }) => [nameOf(target), is, should]),
    ),
    ...occupants.flatMap(({ target }) => ['', `## ${nameOf(target)}`, '', differencesOf(target, [cells, attacks])]),
  ].join('\n')}\n`
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
