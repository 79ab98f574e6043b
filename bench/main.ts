import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { paint, printNote, printPhase, printResult, table } from '../harness/cli/output.ts'
import { describeFailure } from '../harness/errors.ts'
import { settings } from '../harness/settings.ts'
import type { Measure } from './measure.ts'

/** A file `NAME.bench.ts` exports one of these as `bench`. */
export interface Bench {
  summary: string
  run(): Promise<Measure[]>
}

const folder = import.meta.dirname
const wanted = process.argv.slice(2)
const files = (await readdir(folder)).filter((file) => file.endsWith('.bench.ts')).sort()
const names = files.map((file) => file.slice(0, -'.bench.ts'.length))
const unknown = wanted.filter((name) => !names.includes(name))

if (unknown.length > 0) {
  printNote(`error: no bench is called ${unknown.join(', ')}; there are ${names.join(', ')}`)
  process.exitCode = 2
} else {
  await runAll(wanted.length > 0 ? wanted : names)
}

async function runAll(chosen: readonly string[]): Promise<void> {
  const measures: Measure[] = []
  for (const name of chosen) {
    try {
      const { bench } = (await import(`./${name}.bench.ts`)) as { bench: Bench }
      printPhase('working', name, bench.summary)
      measures.push(...(await bench.run()))
    } catch (failure) {
      process.exitCode = 1
      printPhase('failed', name, describeFailure(failure))
      if (settings().debug && failure instanceof Error) printNote(failure.stack ?? '')
    }
  }
  printResult(render(measures))
  const file = resolve('.holdfast', 'bench.json')
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 })
  await writeFile(file, `${JSON.stringify({ at: new Date().toISOString(), measures }, null, 2)}\n`)
  printNote(`figures: ${file}`)
  if (measures.some(({ met }) => !met)) process.exitCode = 1
}

function render(measures: readonly Measure[]): string {
  const rows = measures.map(({ name, unit, baseline, subject, ratio, bar, met, rounds }) => [
    met ? paint('green', '✓') : paint('red', '✗'),
    name,
    `${baseline.toFixed(1)} ${unit}`,
    `${subject.toFixed(1)} ${unit}`,
    `${ratio.toFixed(2)}×`,
    'atMost' in bar ? `≤ ${bar.atMost}×` : `≥ ${bar.atLeast}×`,
    String(rounds),
  ])
  const notes = measures.flatMap(({ name, notes }) =>
    notes.length > 0 ? ['', `${name}:`, ...notes.map((note) => `  ${note}`)] : [],
  )
  return [table(['', 'measure', 'baseline', 'subject', 'ratio', 'bar', 'rounds'], rows), ...notes].join('\n')
}
