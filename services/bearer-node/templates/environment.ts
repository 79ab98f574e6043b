import { configurationKeys } from '../../shared/configuration.ts'
import { program } from '../config.ts'
import { TOKEN_ALIAS, TOKEN_FILE_ALIAS, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE } from '../settings.ts'
import type { Installation } from './installation.ts'

/** Keys without a default: whoever runs a node says them. */
const REQUIRED = ['clusterId', 'nodeId', 'dataDir'] as const

/** Every variable that the program reads, in comments, with what holds where it is not set. The token file alone is named. */
export function environmentExample({ tokenFile, dataDir }: Installation): string {
  const defaults = program.schema.parse({ clusterId: 'any', nodeId: 'any', dataDir })
  const keys = configurationKeys(program).map(({ key, variable, description, isText }) => {
    const isRequired = REQUIRED.some((required) => required === key)
    const value = isRequired ? undefined : valueAt(defaults, key)
    const about = `# ${description || `${key}.`}${isRequired ? ' No default: it is given here or in the file.' : ''}`
    return `${about}\n# ${variable}=${shown(value, isText)}`
  })
  return `# Variables of bearer-node. A flag beats a variable, and a variable beats the configuration file.

# The token of the cluster: one line in a file of mode 0600. This is the way that leaves it in no list of processes. ${TOKEN_FILE_ALIAS} is the same.
${TOKEN_FILE_VARIABLE}=${quoted(tokenFile)}
# The token itself: processes of this user can read it in /proc/PID/environ, and it beats the file. ${TOKEN_ALIAS} is the same.
# ${TOKEN_VARIABLE}=

# Any key of the configuration file.
${keys.join('\n')}
`
}

function valueAt(value: unknown, key: string): unknown {
  return key.split('.').reduce((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], value)
}

function shown(value: unknown, isText: boolean): string {
  if (value === undefined) return ''
  return quoted(isText ? String(value) : JSON.stringify(value))
}

/** As systemd.exec(5) reads a file of variables, and a shell: nothing between single quotes is changed. */
function quoted(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
