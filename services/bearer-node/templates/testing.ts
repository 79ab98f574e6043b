import { type Config, program } from '../config.ts'
import { type Installation, type InstallationOptions, installationOf } from './installation.ts'

export const TOKEN_FILE = '/etc/holdfast/bearer-node.token'

/** A node as it is installed where nothing is special. */
export function installation(options: Partial<InstallationOptions> = {}, change: object = {}): Installation {
  const config = program.schema.parse({
    ...{ clusterId: 'lab', nodeId: 'orc-1', dataDir: '/var/lib/bearer-node' },
    ...change,
  }) as Config
  return installationOf(config, {
    ...{ program: '/usr/local/bin/bearer-node', user: 'bearer-node' },
    ...{ configFile: '/etc/holdfast/bearer-node.json', tokenFile: TOKEN_FILE },
    ...options,
  })
}
