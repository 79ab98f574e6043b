import { type Command, InvalidArgumentError } from 'commander'
import { addExample, givenConfig, print } from './command.ts'
import type { RollStep } from './roll.ts'

/** Where no configuration says how long two tokens may be accepted. */
const OVERLAP_S = 86_400
const LONGEST_OVERLAP_S = 2_592_000

/** Commands about the token; each loads what it needs once it is named. */
export function addTokenCommands(root: Command): void {
  const token = root.command('token').description('the token that the nodes of a cluster share')
  const made = token.command('new').description('make a token that nobody can guess')
  addExample(made, 'token new --out /etc/holdfast/bearer-node.token')
    .option('--out <file>', 'write it into this new file (0600), and print its ref alone; default: print the token')
    .action(async ({ out }: { out?: string }) => print(await (await import('./new-token.ts')).runNewToken(out)))

  const roll = token
    .command('roll')
    .description('change the token, and have no call refused: step by step, each on every node')
  const step = (name: RollStep['step'], description: string, example: string) =>
    addExample(roll.command(name).description(description), `token roll ${example}`).option(
      '--token-file <file>',
      'token file of the node; default: the one that it takes from its environment',
    )
  const overlapping = (command: Command) =>
    command.option(
      '--overlap-s <seconds>',
      'accept both tokens for so long at most; default: auth.maxOverlapS',
      seconds,
    )
  overlapping(step('begin', 'accept a new token, too', 'begin --new-token-file ./new.token'))
    .requiredOption('--new-token-file <file>', 'file (0600) with the new token')
    .action(({ newTokenFile, ...options }: { newTokenFile: string } & StepOptions) =>
      take(root, { step: 'begin', newTokenFile }, options),
    )
  overlapping(step('switch', 'send the new token, once all nodes accept it', 'switch')).action((options: StepOptions) =>
    take(root, { step: 'switch' }, options),
  )
  step('end', 'accept the new token alone, once all nodes send it', 'end').action((options: StepOptions) =>
    take(root, { step: 'end' }, options),
  )
}

interface StepOptions {
  readonly tokenFile?: string
  readonly overlapS?: number
}

async function take(root: Command, step: RollStep, { tokenFile, overlapS }: StepOptions): Promise<void> {
  const { authToken: flag } = root.opts<{ authToken?: string }>()
  const overlap = overlapS ?? givenConfig(root)?.auth.maxOverlapS ?? OVERLAP_S
  const { runRoll } = await import('./roll.ts')
  print(await runRoll(step, { flag, tokenFile, overlapS: overlap }))
}

function seconds(text: string): number {
  const number = Number(text)
  if (/^\d{1,7}$/.test(text) && number >= 1 && number <= LONGEST_OVERLAP_S) return number
  throw new InvalidArgumentError(`must be a whole number from 1 to ${LONGEST_OVERLAP_S}`)
}
