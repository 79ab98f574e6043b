import { Command, Option } from 'commander'
import { jsonOption } from './options.ts'
import { printJson, printResult } from './output.ts'

interface InitOptions {
  stack: 'express' | 'none'
  run?: string
  request?: string
  scope?: string
  json?: boolean
}

export function init(): Command {
  return new Command('init')
    .description('Write a project that proves your own gateway: a topology that declares it, and a first scenario.')
    .argument('[folder]', 'where to; made if need be', '.')
    .addOption(
      new Option('--stack <name>', 'an example gateway to begin with').choices(['express', 'none']).default('none'),
    )
    .addOption(
      new Option('--run <command>', 'how your gateway is started, in that folder: "node gateway.mjs"').conflicts(
        'stack',
      ),
    )
    .option('--request <text>', 'the call that needs a token: "GET /orders"')
    .option('--scope <text>', 'the scope that the call needs')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast init lab --stack express                                   a project with a small gateway in it
  npx holdfast init --run "node gateway.mjs" --request "GET /orders"      for the gateway that is here

Nothing is overwritten: package.json and README.md stay as they are, and where any other file is there already,
nothing is written at all.`,
    )
    .action(async (folder: string, options: InitOptions) => {
      const { writeProject } = await import('./project.ts')
      const written = await writeProject(folder, options)
      if (options.json) return printJson(written)
      printResult(
        [
          ...written.files.map((file, index) => `${index === 0 ? 'written  ' : '         '}  ${file}`),
          ...written.kept.map((file) => `kept       ${file}`),
          '',
          ...written.next.map((line, index) => `${index === 0 ? 'Next' : '    '}       ${line}`),
        ].join('\n'),
      )
    })
}
