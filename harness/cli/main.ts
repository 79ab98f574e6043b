#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { settings } from '../settings.ts'
import { program } from './commands.ts'
import { reportFailure } from './failure.ts'
import { isJsonPrinted, printJson, printNote } from './output.ts'

const argv = process.argv.slice(2)

// `holdfast list | head` is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  const root = program(await version())
  if (argv.length === 0) root.outputHelp()
  else await root.parseAsync(argv, { from: 'user' })
} catch (failure) {
  const report = reportFailure(failure, { debug: settings().debug })
  if (argv.includes('--json') && report.error !== undefined && !isJsonPrinted()) printJson({ error: report.error })
  if (report.text !== '') printNote(report.text)
  process.exitCode = report.exitCode
}

/** From the package that this file is part of: one folder higher when compiled. */
async function version(): Promise<string> {
  for (const candidate of ['../../package.json', '../../../package.json']) {
    const text = await readFile(new URL(candidate, import.meta.url), 'utf8').catch(() => undefined)
    if (text !== undefined) return (JSON.parse(text) as { version: string }).version
  }
  return 'unknown'
}
