import type { Site } from '../../harness/backends/backend.ts'
import { credentialOf } from '../../harness/credentials/of-kind.ts'
import { readRendered } from '../../harness/site/site-files.ts'
import { holderOf, placeOf } from '../../harness/topology/holders.ts'
import { readCreds } from '../../services/shared/nats/creds-text.ts'
import { type RoleName, roleFor } from '../../services/shared/nats/roles.ts'
import { benchFolder, benchSite, identityOf, listenerOf, tokenOf } from '../site.ts'
import type { Client } from './client.ts'

/** A site with a broker, and the file by which processes of the bench find its hosts. */
export interface NatsSite extends AsyncDisposable {
  readonly site: Site
  readonly hosts: string
}

/** Certificates last longer than any measure: what a bench shows was read once. */
export async function natsSite(set: Record<string, string>, withinMs?: number): Promise<NatsSite> {
  await using opened = new AsyncDisposableStack()
  const site = opened.use(await benchSite('nats-orchestrator', { certificateLifetime: '1h', ...set }, withinMs))
  const { hosts } = opened.use(await benchFolder(site))
  const owned = opened.move()
  return { site, hosts, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Who logs in with some credentials of the plan, over the certificate of their holder and with their token, as a service there does. */
export async function clientOf(site: Site, credential: string, role: RoleName): Promise<Client> {
  const planned = credentialOf(site.plan, 'nats-creds', credential)
  const holder = holderOf(planned)
  const { host, port } = listenerOf(site, 'nats-1', 'nats')
  const [{ ca, ...identity }, text, token] = await Promise.all([
    identityOf(site, planned.certificate, 'somebiz'),
    readRendered(site, holder, placeOf(planned, holder)),
    planned.token === undefined ? undefined : tokenOf(site, planned.token),
  ])
  const creds = readCreds(text)
  if (creds === undefined) throw new Error(`${credential} are no credentials`)
  return {
    target: { server: `tls://${host}:${port}`, ca: [ca], ...identity, connectTimeoutMs: 20_000 },
    login: {
      creds,
      inbox: roleFor(role, holder).inbox,
      name: `bench ${holder}`,
      ...(token !== undefined && { token }),
    },
  }
}
