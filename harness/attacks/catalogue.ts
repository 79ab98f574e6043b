import type { Attack, Family } from './attack.ts'
import { bearer } from './bearer.ts'
import { jose } from './jose.ts'
import { peering } from './peering.ts'
import { tls } from './tls.ts'

/** Every family of attacks. */
export const families: readonly Family[] = [
  { name: 'gen', summary: 'JOSE and the transport of bearer tokens', attacks: inOrder([...jose, ...bearer]) },
  { name: 'tls', summary: 'TLS, certificates and proxies', attacks: inOrder(tls) },
  { name: 'peer', summary: 'peering of orchestrators', attacks: inOrder(peering) },
]

function inOrder(attacks: readonly Attack[]): Attack[] {
  return attacks.toSorted((a, b) => a.id.localeCompare(b.id))
}

/** Which attacks are meant: names of families, and ids of cases. Nothing given: all. */
export interface Choice {
  readonly families?: readonly string[]
  readonly cases?: readonly string[]
}

/** The attacks that are meant, in the order of the catalogue. */
export function chosenAttacks(choice: Choice): Attack[] {
  const { families: wanted, cases } = choice
  return families
    .filter(({ name }) => wanted === undefined || wanted.includes(name))
    .flatMap(({ attacks }) => attacks)
    .filter(({ id }) => cases === undefined || cases.includes(id))
}
