import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { packageFile } from '../topology/package-file.ts'
import { type Cause, causesOf } from './causes.ts'
import { detailsOf, followLines, headOf } from './report-text.ts'
import { placeOf } from './reports.ts'
import type { ScenarioReport, ScenarioResult } from './run-scenarios.ts'

/** SARIF 2.1.0 (OASIS), as code scanning reads it: a result for each cause of failures, and the rule that it breaks. */
export async function sarifText({ scenarios, passed, failed, didNotRun }: ScenarioReport): Promise<string> {
  const { version } = JSON.parse(await readFile(await packageFile('package.json'), 'utf8')) as { version: string }
  const causes = causesOf(scenarios)
  const rules = new Map(causes.map(({ root }) => [ruleIdOf(root), ruleOf(root)]))
  const log = {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'Holdfast', version, rules: [...rules.values()] } },
        columnKind: 'utf16CodeUnits',
        // No results where nothing could run would be read as nothing found.
        invocations: [
          {
            executionSuccessful: passed + failed > 0,
            toolExecutionNotifications: didNotRun.map(({ name, reason }) => {
              return { level: 'warning', message: { text: `${name} did not run: ${reason}` } }
            }),
          },
        ],
        results: await Promise.all(causes.map(resultOf)),
      },
    ],
  }
  return `${JSON.stringify(log, null, 2)}\n`
}

async function resultOf({ root, followers }: Cause) {
  const place = await placeOf(root)
  const artifactLocation = { uri: encodeURI(place?.path ?? ''), uriBaseId: '%SRCROOT%' }
  return {
    ruleId: ruleIdOf(root),
    level: 'error',
    message: { text: [headOf(root), ...detailsOf(root), ...followLines(followers)].join('\n') },
    ...(place && { locations: [{ physicalLocation: { artifactLocation, region: { startLine: place.line } } }] }),
    partialFingerprints: {
      'holdfastCause/v1': createHash('sha256')
        .update(root.told?.cause ?? headOf(root))
        .digest('hex'),
    },
  }
}

/** An attack by its id, a check by its name, the claim of somebody's own scenario. */
function ruleIdOf({ told, scenario }: ScenarioResult): string {
  return told?.rule?.id ?? scenario
}

function ruleOf(root: ScenarioResult) {
  const { id = root.scenario, title = headOf(root), clause } = root.told?.rule ?? {}
  const help = clause === undefined ? title : `${title}: ${clause}`
  const [, rfc, section] = /RFC (\d+)(?: section ([\d.]*\d))?/.exec(clause ?? '') ?? []
  const at = section === undefined ? '' : `#section-${section}`
  return {
    id,
    shortDescription: { text: title },
    help: { text: help },
    ...(rfc && { helpUri: `https://www.rfc-editor.org/rfc/rfc${rfc}${at}` }),
  }
}
