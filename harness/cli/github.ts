import { stripVTControlCharacters } from 'node:util'
import { causesOf } from './causes.ts'
import { plural } from './output.ts'
import { detailsOf, followLines, headOf } from './report-text.ts'
import { placeOf } from './reports.ts'
import type { ScenarioReport } from './run-scenarios.ts'

/** Workflow commands of GitHub Actions: an error for each cause of failures, and a warning for each reason why something did not run. */
export async function githubText({ scenarios, didNotRun }: ScenarioReport): Promise<string> {
  const errors = causesOf(scenarios).map(async ({ root, followers }) => {
    const place = await placeOf(root)
    const properties = { ...(place && { file: place.path, line: place.line }), title: headOf(root) }
    return command('error', properties, [...detailsOf(root), ...followLines(followers)].join('\n'))
  })
  const warnings = [...Map.groupBy(didNotRun, ({ reason }) => reason)].map(([reason, some]) =>
    command('warning', { title: `${plural(some.length, 'test')} did not run` }, reason),
  )
  return [...(await Promise.all(errors)), ...warnings].join('\n')
}

function command(name: string, properties: Readonly<Record<string, string | number>>, message: string): string {
  const pairs = Object.entries(properties).map(([key, value]) => {
    return `${key}=${escaped(`${value}`).replaceAll(':', '%3A').replaceAll(',', '%2C')}`
  })
  return `::${name} ${pairs.join(',')}::${escaped(message)}`
}

/** So that what a target said ends no command, and begins none. */
function escaped(text: string): string {
  return stripVTControlCharacters(text).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
