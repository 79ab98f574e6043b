import { nearMisses } from '../tokens/near-misses.ts'
import { type Attack, type Family, type Variant, whyUntried } from './attack.ts'
import { type Outcome, outcomeText } from './outcome.ts'
import { commonSurfaces } from './surfaces.ts'

/** `docs/reference/attacks.md`: every case of the catalogue, with all of its variants and what must come of each. */
export function catalogueText(families: readonly Family[]): string {
  return [
    '# Attacks',
    '',
    '<!-- Made from the catalogue itself; `npx vitest run --project unit harness/attacks -u` makes it anew. -->',
    '',
    'How to try them is told in [the guide](../guides/attacks.md). A0, A1, A2 and A3 are the refusals of RFC 6750 section 3.1: 401 without an error code, 401',
    '`invalid_token`, 400 `invalid_request`, 403 `insufficient_scope`. E(x) is a JSON error of an OAuth endpoint, T0 the end of the connection before any',
    'answer, START a process that does not start. What follows is the reason in the decision record; several are alternatives.',
    'A handler that takes its callers for clients by a certificate that TLS only asks for (`client-authentication`) refuses them in its own words.',
    '"Strict" marks what the standards leave open: it is tried on targets that are declared to be strict.',
    '',
    'What a case needs is offered by the target, by its unit, or by the site:',
    '',
    '| needed | offered by |',
    '| --- | --- |',
    ...[commonSurfaces, ...families.map(({ surfaces }) => surfaces)]
      .flatMap(Object.entries<string>)
      .map(([name, text]) => `| \`${name}\` | ${text} |`),
    '',
    'Whatever is compared is tried with near misses: values that differ as little as possible, signed with the right key, so that nothing else',
    'is wrong. Each is what one wrong comparison takes for the value:',
    '',
    '| near miss | who lets it in compares |',
    '| --- | --- |',
    ...Object.entries(nearMisses).map(([name, { passes }]) => `| ${name} | ${passes} |`),
    '',
    ...families.flatMap(({ name, summary, attacks }) => [`## ${name}: ${summary}`, '', ...attacks.flatMap(caseText)]),
  ].join('\n')
}

function caseText(attack: Attack): string[] {
  const { id, title, source, needs, variants } = attack
  const why = whyUntried(attack)
  const table = ['| variant | what must come of it |', '| --- | --- |', ...Object.entries(variants).map(rowText), '']
  return [
    `### ${id}: ${title}`,
    '',
    `${source}. Needs ${needs.map((need) => `\`${need}\``).join(', ')}.`,
    '',
    ...(why === undefined ? table : [`Not tried: ${why}.`, '']),
  ]
}

/** What must come of it, and what instead at a target with a certain surface. */
function rowText([name, { expect, at = {}, leftOpen, untried }]: [string, Variant]): string {
  const others = Object.entries(at).map(([surface, outcome]) => `at \`${surface}\` ${code(outcome)}`)
  const strict = leftOpen === undefined ? '' : ' (strict)'
  const why = untried === undefined ? '' : `. Not tried: ${untried}`
  return `| ${name.replaceAll(/[|_*<]/g, '\\$&')} | ${[code(expect), ...others].join('; ')}${strict}${why} |`
}

function code(outcome: Outcome): string {
  return `\`${outcomeText(outcome).replaceAll('|', '\\|')}\``
}
