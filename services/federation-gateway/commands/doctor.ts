import type { Command } from 'commander'
import { flagsOf, loadConfiguration } from '../../shared/configuration.ts'
import { formProgram } from '../config.ts'
import { doctor } from '../doctor/doctor.ts'
import { reportText } from '../wire/doctor-text.ts'

const EXIT_FAILED = 1

/** Looks at all, also where the configuration is what is wrong, and ends with 1 where something failed. */
export async function runDoctor(root: Command, { json, deep }: { json?: true; deep?: true }): Promise<void> {
  const { config: file } = root.opts<{ config?: string }>()
  const report = await doctor({
    load: () =>
      loadConfiguration(formProgram, { ...(file !== undefined && { file }), flags: flagsOf(root, formProgram) }),
    isDeep: deep === true,
  })
  process.stdout.write(`${json === true ? JSON.stringify(report, null, 2) : reportText(report)}\n`)
  if (!report.ok) process.exitCode = EXIT_FAILED
}
