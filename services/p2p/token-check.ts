import { readTokenFiles } from '../bearer-node/token/file.ts'
import { refOf } from '../bearer-node/token/ref.ts'
import type { Shown } from '../shared/client-commands.ts'
import { textTable } from '../shared/text-table.ts'
import { type AskedNode, askEach } from './each-node.ts'
import { CommandFailed, EXIT } from './failure.ts'
import { type Cluster, tokenFileDemand } from './open-cluster.ts'
import { type Advice, adviceFor, type NodeTokens } from './roll-step.ts'
import { type Auth, auth } from './wire.ts'

type Told = AskedNode<Auth>

/** Asks each node what it sends and accepts, and tells who would be refused by whom, and what a roll can do next. @throws CommandFailed */
export async function checkTokens(cluster: Cluster, newTokenFile: string | undefined): Promise<Shown> {
  const next = await nextRef(cluster, newTokenFile)
  const nodes = await askEach(cluster, '/v1/auth', auth)
  const known = nodes.flatMap(({ id, answer }): NodeTokens[] => {
    if (answer === undefined || answer.sends === null) return []
    return [{ id, sends: answer.sends, accepts: answer.accepts.map(({ ref }) => ref) }]
  })
  const unknown = nodes.map(({ id }) => id).filter((id) => !known.some((node) => node.id === id))
  const advice = adviceFor({ nodes: known, unknown, next })
  return {
    json: { nodes: nodes.map(jsonOf), ...advice },
    text: [textTable(HEADER, nodes.map(row)), adviceText(advice)].join('\n\n'),
    exitCode: exitOf(nodes, advice),
  }
}

/** Ref of the token that a roll leads to: of the file that is named, else of the roll that the own token is in. */
async function nextRef({ given }: Cluster, newTokenFile: string | undefined): Promise<string | undefined> {
  if (newTokenFile !== undefined) return refOf((await readTokenFiles(newTokenFile, tokenFileDemand())).sends)
  // A roll writes the new one first.
  const [first] = given?.also.filter(({ until }) => until > Date.now()) ?? []
  return first && refOf(first.token)
}

const HEADER = ['node', 'url', 'sends', 'accepts']

function row({ id, url, answer, failure }: Told): string[] {
  if (answer === undefined) return [id, url, '-', failure!.code]
  const accepts = answer.accepts.map(({ ref, until }) => (until == null ? ref : `${ref} until ${until}`))
  return [id, url, answer.sends ?? 'no token', accepts.join(', ') || 'everybody']
}

function jsonOf({ id, url, answer, failure }: Told): object {
  if (answer !== undefined) return { id, url, sends: answer.sends, accepts: answer.accepts }
  return { id, url, error: failure!.code, message: failure!.message }
}

function adviceText({ refused, step, on, because }: Advice): string {
  const refusals = refused.map(
    ({ sender, receiver, ref }) => `! ${receiver} does not accept ${ref}, which ${sender} sends`,
  )
  const next =
    step === 'none' ? `no step is safe: ${because}` : `next: ${COMMAND[step]} on ${on.join(', ')} (${because})`
  return [...refusals, next].join('\n')
}

const COMMAND = {
  begin: 'bearer-node token roll begin --new-token-file FILE',
  switch: 'bearer-node token roll switch',
  end: 'bearer-node token roll end',
} as const

function exitOf(nodes: readonly Told[], { refused }: Advice): number {
  const exits = nodes.flatMap(({ failure }) => (failure instanceof CommandFailed ? [failure.exitCode] : []))
  if (refused.length > 0 || exits.includes(EXIT.refused)) return EXIT.refused
  return exits.length > 0 ? EXIT.unreachable : EXIT.done
}
