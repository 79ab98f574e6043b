import { Command, CommanderError } from 'commander'
import { withExamples } from '../shared/client-commands.ts'
import { addConfigurationOptions } from '../shared/configuration.ts'
import { addClusterCommands } from './cluster-commands.ts'
import { program } from './config.ts'
import { EXIT } from './failure.ts'
import { addPipelineCommands } from './pipeline-commands.ts'
import { configurationOf, orExit, runWith } from './run.ts'

const root = new Command(program.name)
  .description('Runs pipelines on a cluster of peers that share one token, and shows what its nodes say of each other.')
  .option('--auth-token <token>', 'token of the cluster; others see it there: name its file instead, as below')
  .option('--json', 'print JSON, for programs')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()
  .action((_, self: Command) =>
    orExit(async () => {
      if (root.opts<{ config?: string }>().config !== undefined) configurationOf(root)
      self.help({ error: true })
    }),
  )
addConfigurationOptions(root, program)
withExamples(root, program.name, [
  'pipeline --backend p2p --p2p-leader https://leader:8770 run canonical_selfplay --param games=20 --wait',
  'nodes --p2p-leader http://127.0.0.1:8770',
]).addHelpText(
  'after',
  `
The token is that of --auth-token, else of HOLDFAST_CLUSTER_AUTH_TOKEN, else that in the file (0600) which
HOLDFAST_CLUSTER_AUTH_TOKEN_FILE names: prefer the file. Names with RINGRIFT_ for HOLDFAST_ are the same.
Exit codes: 0 done, 1 the run failed, 2 usage, 3 refused, 4 no leader or not reached.`,
)
const run = runWith(root)
addPipelineCommands(root, run)
addClusterCommands(root, run)

try {
  await root.parseAsync()
} catch (failure) {
  if (!(failure instanceof CommanderError)) throw failure
  process.exitCode = failure.exitCode === 0 ? EXIT.done : EXIT.usage
}
