import { SetupError } from '../../shared/setup-error.ts'
import { TOKEN_FILE_VARIABLE, takeTokenEnvironment } from '../settings.ts'
import { beginRoll, endRoll, type Roll, type RollState, switchRoll } from '../token/roll.ts'
import { givenSources } from '../token/source.ts'

export interface RollOptions {
  /** Of `--auth-token`. */
  readonly flag: string | undefined
  /** Of `--token-file`: beats what is found in the environment, for who rolls has another one than the node. */
  readonly tokenFile: string | undefined
  readonly overlapS: number
}

export type RollStep = { readonly step: 'begin'; readonly newTokenFile: string } | { readonly step: 'switch' | 'end' }

/** Takes one step of a roll with the token file of a node. @throws SetupError, RefusedStart */
export function runRoll(taken: RollStep, { flag, tokenFile, overlapS }: RollOptions): Promise<RollState> {
  const roll: Roll = { tokenFile: tokenFile ?? ownTokenFile(flag), overlapMs: overlapS * 1_000, now: Date.now }
  if (taken.step === 'begin') return beginRoll(roll, taken.newTokenFile)
  return taken.step === 'switch' ? switchRoll(roll) : endRoll(roll)
}

/** The file that a node would take its token from. A token that is no file cannot change while a node runs. */
function ownTokenFile(flag: string | undefined): string {
  const [source] = givenSources({ flag, environment: takeTokenEnvironment(), isRequired: false })
  if (source === undefined) {
    throw new SetupError('token_file_missing', `name the token file by --token-file, or in ${TOKEN_FILE_VARIABLE}`)
  }
  if (source.kind === 'file' && source.text.trim() !== '' && !source.isTorn) return source.text
  const what = source.kind === 'file' ? 'names no file' : 'gives the token itself, which nobody can roll'
  throw new SetupError(
    'token_not_rolled',
    `${source.name} ${what}; put it into a file, and name that in ${TOKEN_FILE_VARIABLE}`,
  )
}
