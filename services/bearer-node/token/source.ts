import { refuseStart } from '../guards/refused-start.ts'
import { bearerSource } from '../guards/source.ts'
import {
  TOKEN_ALIAS,
  TOKEN_FILE_ALIAS,
  TOKEN_FILE_VARIABLE,
  TOKEN_VARIABLE,
  type TokenEnvironment,
} from '../settings.ts'
import { type FileDemand, readTokenFiles } from './file.ts'

/** Everything by which a process may have been given the token. */
export interface TokenSources {
  /** `--auth-token`: undefined where it does not stand on the command line. */
  readonly flag: string | undefined
  readonly environment: TokenEnvironment
  /** `--require-auth`. */
  readonly isRequired: boolean
}

/** The one source that decides. `text` is the token, or the path of its file, as it was given. */
export interface TokenSource {
  readonly kind: 'flag' | 'variable' | 'file'
  /** As messages call it. */
  readonly name: string
  readonly text: string
  /** Of a name and its alias that are both given, whether they differ. */
  readonly isTorn: boolean
}

/** The token that a process was started with. */
export interface GivenToken {
  readonly source: TokenSource
  readonly token: string
  /** Of a file: those of `.also`, of which each is accepted until its time. */
  readonly also: readonly { readonly token: string; readonly until: number }[]
}

/** `told`: what an operator should know, in sentences that hold no secret. */
export interface ReadToken {
  readonly given: GivenToken | undefined
  readonly told: readonly string[]
}

const WAY_OUT = `put it into a file of mode 0600 and name that in ${TOKEN_FILE_VARIABLE}`
const VISIBLE = {
  flag: `the token of --auth-token can be read in /proc/PID/cmdline by every user of this machine; ${WAY_OUT}`,
  variable: `the token of ${TOKEN_VARIABLE} can be read in /proc/PID/environ by processes of this user; ${WAY_OUT}`,
  file: undefined,
} as const

/**
 * Finds the token: the highest source that is given decides alone. With none of them there is no token.
 *
 * @param demand what a token file has to fulfil
 * @throws RefusedStart of guard `bearer.source` or `bearer.file`
 */
export async function readToken(sources: TokenSources, demand: FileDemand): Promise<ReadToken> {
  const [source, ...lower] = givenSources(sources)
  const told = [...withoutEffect(sources), ...bothGiven(source), ...ignored(source, lower)]
  await refuseStart([bearerSource], { source, isRequired: sources.isRequired })
  if (source === undefined) return { given: undefined, told }
  const visible = VISIBLE[source.kind]
  if (visible !== undefined) told.push(visible)
  if (source.kind !== 'file') return { given: { source, token: source.text, also: [] }, told }
  const files = await readTokenFiles(source.text, demand)
  return { given: { source, token: files.sends, also: files.also }, told: [...told, ...files.told] }
}

/** Those that are given, the highest first. */
export function givenSources({ flag, environment }: TokenSources): TokenSource[] {
  const { token, tokenAlias, file, fileAlias } = environment
  const found = [
    sourceOf('flag', ['--auth-token', flag]),
    sourceOf('variable', [TOKEN_VARIABLE, token], [TOKEN_ALIAS, tokenAlias]),
    sourceOf('file', [TOKEN_FILE_VARIABLE, file], [TOKEN_FILE_ALIAS, fileAlias]),
  ]
  return found.filter((source) => source !== undefined)
}

type Named = readonly [name: string, value: string | undefined]

function sourceOf(kind: TokenSource['kind'], own: Named, alias: Named = ['', undefined]): TokenSource | undefined {
  const [name, text] = [own, alias].find(([, value]) => value !== undefined) ?? ['', undefined]
  if (text === undefined) return undefined
  const areBoth = own[1] !== undefined && alias[1] !== undefined
  return { kind, name: areBoth ? `${own[0]} and ${alias[0]}` : name, text, isTorn: areBoth && own[1] !== alias[1] }
}

function bothGiven(source: TokenSource | undefined): string[] {
  if (source === undefined || source.isTorn || !source.name.includes(' and ')) return []
  return [`${source.name} are one source and have one value; leave one of them out`]
}

function ignored(source: TokenSource | undefined, lower: readonly TokenSource[]): string[] {
  return lower.map(({ name }) => `${name} is ignored, and was not read: ${source?.name} is given, and stands above it`)
}

function withoutEffect({ environment }: TokenSources): string[] {
  return environment.withoutEffect.map(
    (name) => `${name} has no effect; the variable is ${name.endsWith('_FILE') ? TOKEN_FILE_VARIABLE : TOKEN_VARIABLE}`,
  )
}
