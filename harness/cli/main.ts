#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { settings } from '../settings.ts'
import { packageFile } from '../topology/package-file.ts'
import { program } from './commands.ts'
import { reportFailure } from './failure.ts'
import { Interrupted, interrupt } from './interruption.ts'
import { isJsonPrinted, printJson, printNote } from './output.ts'

const argv = process.argv.slice(2)

// `holdfast list | head` is no failure; whoever holds a site releases it first.
process.stdout.on('error', () => interrupt('SIGPIPE') || process.exit(0))
// Notes that nobody reads any more, of a terminal that was closed, must not keep anything from being released.
process.stderr.on('error', () => {})

try {
  const root = program(await version())
  if (argv.length === 0) root.outputHelp()
  else await root.parseAsync(argv, { from: 'user' })
} catch (failure) {
  const report = reportFailure(failure, { debug: settings().debug })
  if (argv.includes('--json') && report.error !== undefined && !isJsonPrinted()) printJson({ error: report.error })
  if (report.text !== '') printNote(report.text)
  process.exitCode = report.exitCode
  // All that was held is released. What keeps the process alive besides is a defect of somebody's, and nothing to wait for.
  if (failure instanceof Interrupted) process.exit()
}

async function version(): Promise<string> {
  const manifest = await readFile(await packageFile('package.json'), 'utf8').catch(() => '{ "version": "unknown" }')
  return (JSON.parse(manifest) as { version: string }).version
}
