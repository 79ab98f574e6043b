import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import type { AccountName } from '../shared/nats/roles.ts'
import { credsPath } from '../shared/nats/setup-record.ts'
import type { Broker, Configuration } from './config.ts'
import { BrokerUnreachable } from './failures.ts'

/** What can be asked of a broker as the user sys. */
export interface Asked {
  /** The claims of an account as the broker has them; undefined where it has none. */
  claimsOf(account: AccountName, key: string): Promise<string | undefined>
}

const CONNECT_WITHIN_MS = 5_000
/**
 * A broker ends a handshake that takes 2 s. The first one of a process may, where the machine starves: a client that has begun with nothing
 * compiled. Who was cut off so has been refused nothing, and what is to be revoked now is not to wait for somebody who reads logs.
 */
const ATTEMPTS = 3
const CUT_OFF = ['EPIPE', 'ECONNRESET']

/** Connects as sys, over TLS in both directions, asks, and leaves. @throws BrokerUnreachable */
export async function askBroker<Result>(
  configuration: Configuration,
  broker: Broker,
  work: (asked: Asked) => Promise<Result>,
): Promise<Result> {
  const connection = await connected(configuration, broker)
  try {
    return await work({ claimsOf: (account, key) => claimsOf(connection, broker, account, key) })
  } finally {
    await connection.close()
  }
}

async function connected(configuration: Configuration, broker: Broker): Promise<NatsConnection> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connectedOnce(configuration, broker)
    } catch (failure) {
      if (attempt === ATTEMPTS || !isCutOff(failure)) throw failure
    }
  }
}

async function connectedOnce({ stateDir }: Configuration, broker: Broker): Promise<NatsConnection> {
  const { url, ca, cert, key } = broker
  const creds = await readFile(join(stateDir, credsPath('sys')))
  try {
    return await connect({
      servers: url,
      tls: { caFile: ca, certFile: cert, keyFile: key },
      authenticator: credsAuthenticator(creds),
      name: 'nats-setup',
      reconnect: false,
      timeout: CONNECT_WITHIN_MS,
      ignoreClusterUpdates: true,
    })
  } catch (cause) {
    throw new BrokerUnreachable(url, whyNot(cause), { cause })
  }
}

async function claimsOf(
  connection: NatsConnection,
  { url, timeoutSeconds }: Broker,
  account: AccountName,
  key: string,
): Promise<string | undefined> {
  try {
    const subject = `$SYS.REQ.ACCOUNT.${key}.CLAIMS.LOOKUP`
    const answer = await connection.request(subject, '', { timeout: timeoutSeconds * 1000 })
    return answer.string() || undefined
  } catch (cause) {
    throw new BrokerUnreachable(url, `${whyNot(cause)}, about the claims of ${account}`, { cause })
  }
}

/** Whether the far end let go amid the handshake, and said nothing. */
function isCutOff(failure: unknown): boolean {
  for (let cause = failure; cause instanceof Error; cause = cause.cause) {
    if (CUT_OFF.includes((cause as NodeJS.ErrnoException).code ?? '')) return true
  }
  return false
}

/** A client wraps what the socket said. */
function whyNot(cause: unknown): string {
  const { message, cause: inner } = cause as Error
  return inner instanceof Error && inner.message !== message ? `${message}: ${inner.message}` : message
}
