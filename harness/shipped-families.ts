import type { Family } from './attacks/attack.ts'

// Families of attacks that come with the harness: a folder and a line here. They stand apart from what else is shipped, and are loaded
// when somebody asks, since the help of the command line names them, and has no time to load what forges credentials.

// #region families
const shipped: Readonly<Record<string, () => Promise<{ readonly family: Family }>>> = {
  gen: () => import('./attacks/gen/index.ts'),
  tls: () => import('./attacks/tls/index.ts'),
  peer: () => import('./attacks/peer/index.ts'),
  nats: () => import('./attacks/nats/index.ts'),
}
// #endregion families

export const familyNames: readonly string[] = Object.keys(shipped)

/** Every family of attacks, in the order of the catalogue. */
export async function families(): Promise<readonly Family[]> {
  return Promise.all(Object.values(shipped).map(async (load) => (await load()).family))
}
