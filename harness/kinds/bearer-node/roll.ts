import type { Command, PlanUnit, Template } from '../../topology/plan.ts'

// What an operator of one node does with its token while it runs: each a unit that is run on demand.

/** Where a value lies that is handed in; below the folder of the unit, which nobody else reads. */
const handedIn = '@{unit}/handed-in'

interface Rolled {
  readonly node: string
  readonly unit: string
  readonly tokenFile: Template
  /** A command of the program itself, which finds the token file as the node does. */
  command(...words: string[]): Command
}

/** Has one more value accepted, which is the input; and takes it away again. */
export function rollUnits({ node, unit, tokenFile, command }: Rolled): PlanUnit[] {
  const withdrawn: Command = { program: { path: 'rm' }, args: ['-f', `${tokenFile}.also`] }
  const written: Command = {
    program: { path: '/bin/sh' },
    args: ['-c', 'umask 077; cat > "$1"', 'sh', handedIn],
  }
  const onDemand = (name: string, summary: string, runs: readonly Command[]): PlanUnit => ({
    ...{ name: `${unit}-${name}`, kind: 'roll', summary, start: 'on demand', after: [`${node}/${unit}`], files: [] },
    steps: runs.map((run) => ({ run })),
  })
  return [
    onDemand('second', 'has one more token accepted', [
      withdrawn,
      written,
      command('token', 'roll', 'begin', '--new-token-file', handedIn),
    ]),
    onDemand('alone', 'has no token accepted but its own', [withdrawn]),
  ]
}
