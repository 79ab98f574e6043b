import { dirname, resolve } from 'node:path'
import { StartFailure } from '../../shared/start-failure.ts'
import type { Config } from '../config.ts'

/** How a node stands on its machine: all that the templates say of it. None of it is secret. */
export interface Installation {
  readonly clusterId: string
  /** Absolute path of the program. */
  readonly program: string
  readonly configFile: string
  readonly tokenFile: string
  /** File that systemd reads variables from, where it is there. */
  readonly environmentFile: string
  readonly user: string
  readonly dataDir: string
  /** Folders beside `dataDir` that it writes to. */
  readonly writes: readonly string[]
  /** Whether it listens on a port below 1024. */
  readonly hasLowPort: boolean
}

/** Where a unit has its token where nothing else says so. */
export const TOKEN_FILE = '/etc/holdfast/bearer-node.token'

export interface InstallationOptions {
  readonly program: string
  readonly configFile: string
  readonly tokenFile: string
  readonly user: string
}

const LOWEST_OPEN_PORT = 1024

/** @throws StartFailure (`config_invalid`) for what no template can hold */
export function installationOf(config: Config, options: InstallationOptions): Installation {
  const { dataDir, decisionLog, clusterId, listen } = config
  const { program, user } = options
  // systemd takes no program with a quote in its path, whoever escapes it.
  if (!/^\/[\w./@+-]+$/.test(program)) {
    throw unfit(
      `the program ${JSON.stringify(program)} must be named by an absolute path of A-Z a-z 0-9 _ . / @ + - alone`,
    )
  }
  if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(user)) throw unfit(`${user} is no name of a user`)
  const configFile = resolve(options.configFile)
  const logFolder = dirname(resolve(decisionLog))
  const installation = {
    ...{ clusterId, program, user, configFile, tokenFile: resolve(options.tokenFile), dataDir: resolve(dataDir) },
    environmentFile: configFile.replace(/(\.json)?$/, '.env'),
    writes: isWithin(logFolder, resolve(dataDir)) ? [] : [logFolder],
    hasLowPort: listen.some(({ port }) => port < LOWEST_OPEN_PORT),
  }
  const paths = [program, configFile, installation.tokenFile, installation.dataDir, logFolder]
  // XML 1.0 cannot hold them, and a line of a unit ends at one.
  const odd = paths.find((path) => /\p{Cc}/u.test(path))
  if (odd !== undefined) throw unfit(`the path ${JSON.stringify(odd)} holds a control character`)
  return installation
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

function unfit(what: string): StartFailure {
  return new StartFailure('config_invalid', `${what}; a service template needs another`)
}
