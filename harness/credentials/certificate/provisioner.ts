import { own } from '../../topology/compilation.ts'
import type { Declared } from '../../topology/credential-kind.ts'
import type { Enrol } from '../../topology/plan.ts'

/** The provisioner of a CA that a credential names as `node/provisioner`, or its first. `none`: what is wrong where it has none at all. */
export function provisionerOf<Provisioner>(
  provisioners: Readonly<Record<string, Provisioner>>,
  { declaration, mistake }: Declared<{ issuer: string }>,
  none: readonly [message: string, wayOut: string],
): (Provisioner & { name: string }) | undefined {
  const names = Object.keys(provisioners)
  const [issuer, name = names[0]] = declaration.issuer.split('/')
  const found = name === undefined ? undefined : own(provisioners, name)
  if (name !== undefined && found !== undefined) return { name, ...found }
  const unknown = [`"${issuer}" has no provisioner "${name}"`, `it has ${names.join(', ')}`] as const
  mistake(['issuer'], ...(names.length === 0 ? none : unknown))
  return undefined
}

/** What the CA's agent must know of one. */
export function keyOf({ name, keyFile, passwordFile }: Enrol['provisioner']): Enrol['provisioner'] {
  return passwordFile === undefined ? { name, keyFile } : { name, keyFile, passwordFile }
}
