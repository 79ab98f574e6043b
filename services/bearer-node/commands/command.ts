import type { Command } from 'commander'
import { withExamples } from '../../shared/client-commands.ts'
import { flagsOf, loadConfiguration } from '../../shared/configuration.ts'
import { type Config, program } from '../config.ts'

export function addExample(command: Command, ...examples: string[]): Command {
  return withExamples(command, program.name, examples)
}

/** A text as it is, all else as one line of JSON. */
export function print(value: unknown): void {
  process.stdout.write(`${typeof value === 'string' ? value : JSON.stringify(value)}\n`)
}

/** The configuration, where a file was named. @throws StartFailure */
export function givenConfig(root: Command): Config | undefined {
  const { config: file } = root.opts<{ config?: string }>()
  return file === undefined ? undefined : loadConfiguration(program, { file, flags: flagsOf(root, program) })
}
