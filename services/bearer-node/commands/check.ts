import type { Command } from 'commander'
import { flagsOf, loadConfiguration } from '../../shared/configuration.ts'
import { program } from '../config.ts'
import { prepare } from '../prepare.ts'
import { takeTokenEnvironment } from '../settings.ts'
import { refOf } from '../token/ref.ts'

/** What a start would find, without a secret. */
export interface Checked {
  readonly node: string
  readonly cluster: string
  readonly listen: readonly string[]
  /** Null: a start would have none, and ask nobody for one. */
  readonly token: { readonly source: string; readonly sends: string; readonly accepts: readonly string[] } | null
  /** What an operator should know. */
  readonly warnings: readonly string[]
}

/** Judges all that `serve` judges before it opens a socket, and opens none. @throws StartFailure */
export async function runCheck(root: Command): Promise<Checked> {
  const {
    config: file,
    authToken,
    requireAuth,
  } = root.opts<{ config?: string; authToken?: string; requireAuth?: true }>()
  if (requireAuth === true) root.setOptionValue('authRequire', 'true')
  const config = loadConfiguration(program, { file, flags: flagsOf(root, program) })
  const { given, told, decisions } = await prepare(config, { flag: authToken, environment: takeTokenEnvironment() })
  decisions.close()
  const also = given?.also.filter(({ until }) => until > Date.now()) ?? []
  return {
    node: config.nodeId,
    cluster: config.clusterId,
    listen: config.listen.map(({ address, port, tls }) => `${tls ? 'https' : 'http'} ${address} port ${port}`),
    token:
      given === undefined
        ? null
        : {
            source: given.source.kind === 'file' ? given.source.text : given.source.name,
            sends: refOf(given.token),
            accepts: [...new Set([given.token, ...also.map(({ token }) => token)])].map(refOf),
          },
    warnings: told,
  }
}
