// Which step of a token roll every node can take next, without one call between them that is refused. Tokens are named by their refs.

/** What a node says that it sends and accepts. */
export interface NodeTokens {
  readonly id: string
  readonly sends: string
  readonly accepts: readonly string[]
}

/** `sender` sends what `receiver` does not accept: its calls are refused. */
export interface Refused {
  readonly sender: string
  readonly receiver: string
  readonly ref: string
}

/** `none`: nothing is safe but to see to what is wrong. */
export type Step = 'begin' | 'switch' | 'end' | 'none'

export interface Advice {
  readonly refused: readonly Refused[]
  readonly step: Step
  /** Where it is still to be taken. */
  readonly on: readonly string[]
  readonly because: string
}

export interface Cluster {
  readonly nodes: readonly NodeTokens[]
  /** Ids of those of which nothing is known. */
  readonly unknown: readonly string[]
  /** Ref of the token that the roll leads to, where that is known. */
  readonly next?: string | undefined
}

/** As the table of a roll has it: before, after `begin`, after `switch`, after `end`. */
type Stage = 'before' | 'begun' | 'switched' | 'ended'

export function adviceFor(cluster: Cluster): Advice {
  const refused = refusedIn(cluster.nodes)
  return { refused, ...stepFor(cluster, refused) }
}

function refusedIn(nodes: readonly NodeTokens[]): Refused[] {
  return nodes.flatMap(({ id: sender, sends: ref }) =>
    nodes.filter(({ accepts }) => !accepts.includes(ref)).map(({ id: receiver }) => ({ sender, receiver, ref })),
  )
}

type Answer = Omit<Advice, 'refused'>

function stepFor(cluster: Cluster, refused: readonly Refused[]): Answer {
  const { nodes, next } = cluster
  const values = [...new Set(nodes.flatMap(({ sends, accepts }) => [sends, ...accepts]))]
  if (values.length === 0) return none('no node has told what it sends and accepts')
  if (values.length === 1) return beforeARoll(cluster)
  if (values.length > 2) return none(`there are ${values.length} tokens, and a roll is between two; see who has which`)
  if (next !== undefined && !values.includes(next)) {
    return none(`${next}, to which the roll is said to lead, is accepted nowhere; another roll is under way`)
  }
  if (next !== undefined) return inARoll(cluster, next, refused)
  return refused.length > 0
    ? none('nodes refuse each other; say by --new-token-file to which token the roll leads, and ask again')
    : either(cluster, values)
}

function beforeARoll({ nodes, unknown }: Cluster): Answer {
  if (unknown.length > 0) return waitsFor(unknown)
  return { step: 'begin', on: idsOf(nodes), because: 'all send and accept one token, so no roll is under way' }
}

function inARoll({ nodes, unknown }: Cluster, next: string, refused: readonly Refused[]): Answer {
  const at = (stage: Stage) => idsOf(nodes.filter((node) => stageOf(node, next) === stage))
  const [before, begun, switched, ended] = [at('before'), at('begun'), at('switched'), at('ended')]
  // Whoever does not accept the new token is refused nothing by accepting it.
  if (before.length > 0) return { step: 'begin', on: before, because: `they do not accept ${next} yet` }
  // And who still sends the old one, while others have ended, is refused by those already.
  if (begun.length > 0 && ended.length > 0) {
    return { step: 'switch', on: begun, because: `others have ended, and refuse what they send` }
  }
  if (unknown.length > 0) return waitsFor(unknown)
  if (begun.length > 0) return { step: 'switch', on: begun, because: `all accept ${next}` }
  if (switched.length > 0) return { step: 'end', on: switched, because: `all send ${next}` }
  return none(refused.length > 0 ? 'nodes refuse each other' : 'the roll has ended')
}

function stageOf({ sends, accepts }: NodeTokens, next: string): Stage {
  if (!accepts.includes(next)) return 'before'
  if (accepts.length === 1) return 'ended'
  return sends === next ? 'switched' : 'begun'
}

/** Two tokens are accepted, and nobody says which is the new one: what they answer is the same one step before and one step after. */
function either(cluster: Cluster, values: readonly string[]): Answer {
  const [first, second] = values.map((next) => inARoll(cluster, next, []))
  if (first!.step === 'none' && first!.because === second!.because) return first!
  const texts = values.map((next, at) => {
    const { step, on, because } = [first!, second!][at]!
    return step === 'none'
      ? `if ${next} is the new token: ${because}`
      : `if ${next} is the new token: ${step} on ${on.join(', ')}`
  })
  return none(`${texts.join('; ')}; say which it is by --new-token-file`)
}

function waitsFor(unknown: readonly string[]): Answer {
  return none(
    `it is not known what ${unknown.join(', ')} ${unknown.length === 1 ? 'sends and accepts' : 'send and accept'}`,
  )
}

function none(because: string): Answer {
  return { step: 'none', on: [], because }
}

function idsOf(nodes: readonly NodeTokens[]): string[] {
  return nodes.map(({ id }) => id)
}
