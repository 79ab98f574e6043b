import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { paint, printNote, printPhase, printResult, table } from '../../harness/cli/output.ts'
import { type FuzzResult, fuzz } from './fuzz.ts'

const { values } = parseArgs({
  options: { count: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
})
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const only = values.only === undefined ? undefined : Number(values.only)
printPhase('working', 'fuzz', `seed ${seed}`)
const result = await fuzz({
  count: Number(values.count ?? 100_000),
  seed,
  only,
  report: (line) => printPhase('working', 'fuzz', line),
})
printResult(render(result))
const file = resolve('.holdfast', 'fuzz.json')
await mkdir(dirname(file), { recursive: true, mode: 0o700 })
await writeFile(file, `${JSON.stringify(result, null, 2)}\n`)
printNote(`figures: ${file}`)
if (result.findings.length > 0) process.exitCode = 1

function render({ count, seconds, outcomes, controls, tolls, findings }: FuzzResult): string {
  const lanes = Object.entries(outcomes).map(([lane, counts]) => [
    lane,
    String(Object.values(counts).reduce((sum, times) => sum + times, 0)),
    Object.entries(counts)
      .sort(([, one], [, other]) => other - one)
      .map(([outcome, times]) => `${outcome} ${times}`)
      .join('  '),
  ])
  const costs = tolls.map(({ service, firstMiB, lastMiB, logBytes, longestLine, courseMiB }) => [
    service,
    `${firstMiB.toFixed(0)} MiB`,
    `${lastMiB.toFixed(0)} MiB`,
    `${(lastMiB / firstMiB).toFixed(2)}×`,
    `${Math.round(logBytes / count)} B`,
    `${longestLine} B`,
    courseMiB.join(' '),
  ])
  const verdict =
    findings.length === 0
      ? paint('green', `${count} broken inputs in ${seconds} s, ${controls} controls, nothing found`)
      : [
          paint('red', `${findings.length} findings`),
          ...findings.map((one) => `  ${one}`),
          `again: npm run fuzz -- --seed ${seed} --only ATTEMPT`,
        ].join('\n')
  const columns = ['service', 'first third', 'last third', 'ratio', 'log for each', 'longest record', 'MiB by tenths']
  return [table(['lane', 'tried', 'outcomes'], lanes), '', table(columns, costs), '', verdict].join('\n')
}
