import type { Command } from 'commander'

/** The commands that do something, each with the names that lead to it. */
export function leavesOf(command: Command, path: readonly string[] = []): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path: path.join(' '), command }]
  return command.commands.flatMap((below) => leavesOf(below, [...path, below.name()]))
}

/** What `--help` prints. */
export function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({
    writeOut(more) {
      text += more
    },
  })
  command.outputHelp()
  return text
}
