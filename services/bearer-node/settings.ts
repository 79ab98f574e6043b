/** Variables of the token; a name and its alias are one source. Each program that holds the token reads the same. */
export const TOKEN_VARIABLE = 'HOLDFAST_CLUSTER_AUTH_TOKEN'
export const TOKEN_FILE_VARIABLE = 'HOLDFAST_CLUSTER_AUTH_TOKEN_FILE'
export const TOKEN_ALIAS = 'RINGRIFT_CLUSTER_AUTH_TOKEN'
export const TOKEN_FILE_ALIAS = 'RINGRIFT_CLUSTER_AUTH_TOKEN_FILE'
/** Occur in the field, and are read by nobody here. */
export const WITHOUT_EFFECT = ['RINGRIFT_P2P_AUTH_TOKEN', 'RINGRIFT_P2P_AUTH_TOKEN_FILE'] as const

/** Set by systemd for a unit with credentials: the folder in which they lie. */
const CREDENTIALS_DIRECTORY = 'CREDENTIALS_DIRECTORY'

/** What a process was given of tokens by its environment. A member is undefined where the variable does not exist. */
export interface TokenEnvironment {
  readonly token: string | undefined
  readonly tokenAlias: string | undefined
  readonly file: string | undefined
  readonly fileAlias: string | undefined
  /** Names of those without effect that exist. */
  readonly withoutEffect: readonly string[]
  readonly credentialsDirectory: string | undefined
}

/**
 * Reads them and deletes each, those without effect too: no process that is started later gets any. What the kernel shows of this one in
 * /proc/PID/environ stays, which is why a file is better.
 */
export function takeTokenEnvironment(environment: Record<string, string | undefined> = process.env): TokenEnvironment {
  const taken: TokenEnvironment = {
    token: environment[TOKEN_VARIABLE],
    tokenAlias: environment[TOKEN_ALIAS],
    file: environment[TOKEN_FILE_VARIABLE],
    fileAlias: environment[TOKEN_FILE_ALIAS],
    withoutEffect: WITHOUT_EFFECT.filter((name) => environment[name] !== undefined),
    credentialsDirectory: environment[CREDENTIALS_DIRECTORY],
  }
  const names = [TOKEN_VARIABLE, TOKEN_ALIAS, TOKEN_FILE_VARIABLE, TOKEN_FILE_ALIAS, ...WITHOUT_EFFECT]
  for (const name of names) delete environment[name]
  return taken
}
