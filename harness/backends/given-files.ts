import { demandKey, demandRoots, readCertificates, readPassword, readSecret } from '../pki/given.ts'
import { provisionerKey } from '../tokens/provisioner-key.ts'
import type { Given, Plan } from '../topology/plan.ts'

/**
 * Looks at every file of the user's that a plan names, before anything starts. `now`: in ms, when it will start.
 * @throws HoldfastError of the first that will not do: its setting, its path, what is wrong, and the way out
 */
export async function demandGiven({ nodes }: Plan, now = Date.now()): Promise<void> {
  for (const { given } of Object.values(nodes).flatMap(({ units }) => units)) if (given) await demand(given, now)
}

async function demand({ authority, roots, identity, provisioner }: Given, now: number): Promise<void> {
  // It takes a tenth of a second to load, for those who have a CA.
  if (authority) await (await import('../pki/given-authority.ts')).demandAuthority(authority, now)
  if (roots) await demandRoots(roots)
  if (identity) {
    const [leaf] = await readCertificates(identity.cert, now)
    await demandKey(identity, identity.cert, leaf!)
  }
  if (provisioner) {
    const { name, key, password: at } = provisioner
    const password = at && (await readPassword(at))
    // Else it is the CA that is asked for it.
    if (key) await provisionerKey({ name, password, text: await readSecret(key), place: `${key.setting}: ${key.path}` })
  }
}
