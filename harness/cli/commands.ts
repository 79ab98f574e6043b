import { Command } from 'commander'

/** In the order of the help. Each is loaded only when it is named, so that `holdfast list` starts without a test runner. */
const loaders = {
  list: async () => (await import('./list.ts')).list(),
  check: async () => (await import('./check.ts')).check(),
  demo: async () => (await import('./demo.ts')).demo(),
  up: async () => (await import('./up.ts')).up(),
  down: async () => (await import('./down.ts')).down(),
  test: async () => (await import('./test.ts')).test(),
  attack: async () => (await import('./attack.ts')).attack(),
  sabotage: async () => (await import('./sabotage.ts')).sabotage(),
  init: async () => (await import('./init.ts')).init(),
  doctor: async () => (await import('./doctor.ts')).doctor(),
  sweep: async () => (await import('./sweep.ts')).sweep(),
} as const satisfies Record<string, () => Promise<Command>>

export const commandNames = Object.keys(loaders) as readonly (keyof typeof loaders)[]

/** The `holdfast` program with the commands that `argv` names, or with all of them when it names none. */
export async function program(argv: readonly string[], version: string): Promise<Command> {
  const root = new Command('holdfast')
    .description(
      'Stands up real CAs, auth servers and peered nodes from one topology, and proves which credentials are accepted, ' +
        'which are refused, and why.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ helpWidth: 100 })
    .showHelpAfterError('Type npx holdfast --help, or npx holdfast help <command>, for what is possible.')
    .addHelpText('after', rootExamples)
    .exitOverride()
  const named = commandNames.filter((name) => argv.includes(name))
  for (const name of named.length > 0 ? named : commandNames) {
    root.addCommand((await loaders[name]()).copyInheritedSettings(root))
  }
  return root
}

const rootExamples = `
Examples:
  npx holdfast list                     which topologies there are
  npx holdfast demo separate-auth       see what one accepts and refuses, and who says so
  npx holdfast up separate-auth         run one, and see how to call its nodes
  npx holdfast test separate-auth       prove what it claims
  npx holdfast attack separate-auth     try everything that must not work on it
  npx holdfast doctor                   see whether this machine has what it needs

Exit codes: 0 nothing failed; 1 something failed; 2 the command line was wrong, or names a topology, parameter, run,
guard or filter that is not there; 130 Ctrl-C. With --json an error is one JSON value too: { "error": { code, message } }.
HOLDFAST_DEBUG=1 adds stack traces to errors.`
