import type { Command } from 'commander'
import { SETTING_VARIABLES } from '../settings.ts'
import { program } from './commands.ts'

/** `docs/reference/cli.md`: the help of every command as it is printed, and every environment variable. */
export function cliReference(): string {
  const root = program('')
  return [
    '# Command line',
    '',
    '<!-- Made from the commands themselves; `npx vitest run checks/docs -u` makes it anew. -->',
    '',
    'Results go to stdout, progress to stderr. In this repository `npx holdfast` is `node harness/cli/main.ts`.',
    '',
    section('holdfast', root),
    ...root.commands.map((command) => section(`holdfast ${command.name()}`, command)),
    '## Environment',
    '',
    '| variable | default | meaning |',
    '| --- | --- | --- |',
    ...Object.entries(SETTING_VARIABLES).map(([name, [value, meaning]]) => `| \`${name}\` | ${value} | ${meaning} |`),
    '',
  ].join('\n')
}

function section(title: string, command: Command): string {
  let help = ''
  command.configureOutput({
    ...command.configureOutput(),
    writeOut: (text) => (help += text),
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return `## ${title}\n\n\`\`\`text\n${help.trimEnd()}\n\`\`\`\n`
}
