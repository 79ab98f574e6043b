import type { Command } from 'commander'
import { StartFailure } from '../../shared/start-failure.ts'
import { TOKEN_FILE_VARIABLE, takeTokenEnvironment } from '../settings.ts'
import { addExample, givenConfig, print } from './command.ts'

interface TemplatesOptions {
  readonly out: string
  readonly program: string
  readonly user: string
}

export function addTemplatesCommand(root: Command): void {
  const command = root.command('templates').description('write units for systemd and launchd, and a file of variables')
  addExample(command, 'templates --config /etc/holdfast/bearer-node.json --out ./templates')
    .requiredOption('--out <folder>', 'folder that they are written below, over nothing that is there')
    .option('--program <path>', 'where this program is', '/usr/local/bin/bearer-node')
    .option('--user <name>', 'whom the node runs as, and whom its token file belongs to', 'bearer-node')
    .action((options: TemplatesOptions) => runTemplates(root, options))
}

/** @throws StartFailure, SetupError */
async function runTemplates(root: Command, { out, program, user }: TemplatesOptions): Promise<void> {
  const config = givenConfig(root)
  const { config: configFile } = root.opts<{ config?: string }>()
  if (config === undefined || configFile === undefined) {
    throw new StartFailure('config_missing', 'name the configuration file by --config: units start a node with it')
  }
  const { file, fileAlias } = takeTokenEnvironment()
  const [{ installationOf, TOKEN_FILE }, { writeTemplates }] = await Promise.all([
    import('../templates/installation.ts'),
    import('../templates/write.ts'),
  ])
  const tokenFile = file ?? fileAlias ?? TOKEN_FILE
  if (tokenFile.trim() === '') {
    throw new StartFailure(
      'source_empty',
      `${TOKEN_FILE_VARIABLE} is given, and empty; name the token file, or take it away`,
    )
  }
  print({ written: writeTemplates(out, installationOf(config, { program, user, configFile, tokenFile })) })
}
