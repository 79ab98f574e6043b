import { takeTokenEnvironment } from '../bearer-node/settings.ts'
import type { FileDemand } from '../bearer-node/token/file.ts'
import { type GivenToken, readToken } from '../bearer-node/token/source.ts'
import { readAnchors } from '../shared/tls-material.ts'
import type { Configuration } from './config.ts'
import { CommandFailed, EXIT } from './failure.ts'
import { type Access, Node } from './node.ts'
import type { RepeatOptions } from './repeat.ts'

/** A cluster, by the node that the command line names, as whoever has the token. */
export interface Cluster {
  readonly node: Node
  /** What the token of this command was found with. Undefined: there is none. */
  readonly given: GivenToken | undefined
  readonly repeats: RepeatOptions
  /** Whether what is shown is for programs. */
  readonly isForPrograms: boolean
  note(text: string): void
  /** Another node, whose URL a node told. @throws CommandFailed where the token would leave TLS on the way */
  at(url: string): Node
}

export interface OpenOptions {
  /** Of `--auth-token`. */
  readonly flag: string | undefined
  readonly isForPrograms: boolean
  note(text: string): void
}

/** No node accepts two tokens for longer, and how long those of this cluster do only they know. */
const LONGEST_OVERLAP_MS = 30 * 86_400_000

/** What a token file of a person has to fulfil. */
export function tokenFileDemand(credentialsDirectory?: string): FileDemand {
  const uid = process.getuid?.() ?? 0
  return { isRequired: false, uid, credentialsDirectory, longestOverlapMs: LONGEST_OVERLAP_MS, now: Date.now }
}

/** @throws StartFailure for a token, or for roots, that are given and no good */
export async function openCluster(
  { p2pLeader, caFile, repeatForMs }: Configuration,
  { flag, isForPrograms, note }: OpenOptions,
): Promise<Cluster> {
  const environment = takeTokenEnvironment()
  const demand = tokenFileDemand(environment.credentialsDirectory)
  const { given, told } = await readToken({ flag, environment, isRequired: false }, demand)
  for (const text of told) note(`warning: ${text}`)
  const ca = caFile === undefined ? undefined : readAnchors(caFile).map(String)
  const access: Access = { token: given?.token, ca, note }
  const node = new Node(p2pLeader, access)
  return {
    ...{ node, given, isForPrograms, note },
    repeats: { forMs: repeatForMs, note },
    at(url) {
      // Whoever tells us URLs was known by a certificate; what follows must not be known by less.
      if (node.url.protocol === 'https:' && URL.parse(url)?.protocol !== 'https:') {
        const text = `${node.url.host} tells of a node at ${url}, which is no https URL; nothing was sent there`
        throw new CommandFailed('peer_plaintext', text, EXIT.refused)
      }
      return new Node(url, access)
    },
  }
}
