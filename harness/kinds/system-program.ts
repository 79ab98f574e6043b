import type { Command, Template } from '../topology/plan.ts'

/** A program that this machine has, by a command of its shell in which `$1` is the first of these. Debian keeps some where not everybody's PATH leads. */
export function systemCommand(name: string, command: string, ...args: Template[]): Command {
  return {
    program: { path: '/bin/sh' },
    args: ['-c', `PATH=$PATH:/usr/sbin:/usr/local/sbin; ${command}`, name, ...args],
  }
}
