import type { Bench } from './main.ts'
import { interleave, type Measure, median } from './measure.ts'
import type { Client } from './nats/client.ts'
import { type Clients, startClients } from './nats/clients.ts'
import { clientOf, natsSite } from './nats/site.ts'

const loginsARound = 40
const rounds = 7

export const bench: Bench = {
  summary: 'login of a host, about whom the callout decides, against a login with plain credentials',
  async run() {
    return [await measure('both', 5), await measure('jwks', 4)]
  },
}

async function measure(validation: string, atMost: number): Promise<Measure> {
  await using nats = await natsSite({ callout: 'true', validation })
  const { site, hosts } = nats
  await using clients = startClients(hosts)
  const plain = await clientOf(site, 'creds-orchestrator', 'orchestrator_role')
  const host = await clientOf(site, 'creds-host-1', 'host_role')
  // Awaited here: site and clients are released when this function returns.
  return await interleave(
    `login through the callout p50, mode ${validation}`,
    () => p50(clients, plain),
    () => p50(clients, host),
    { bar: { atMost }, rounds },
  )
}

/** One after the other, each with a TLS handshake of its own. */
async function p50(clients: Clients, client: Client): Promise<number> {
  const { each } = await clients.ask(
    'logIn',
    Array.from({ length: loginsARound }, () => client),
    1,
  )
  return median(each)
}
