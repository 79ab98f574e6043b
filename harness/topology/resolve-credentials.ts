import { type Compilation, checkName, own } from './compilation.ts'
import type { Declared, DeclaredKind } from './credential-kind.ts'
import { credentialPath } from './paths.ts'
import type { PlanCredential } from './plan.ts'
import { type CredentialDeclaration, handoverOf, holdersOf } from './schema.ts'

/** Every credential with its defaults filled in; those with mistakes are reported and left out. */
export function resolveCredentials(compilation: Compilation): Map<string, PlanCredential> {
  const resolved = new Map<string, PlanCredential>()
  for (const [name, declaration] of Object.entries(compilation.topology.credentials)) {
    const path = ['credentials', name]
    const kind = compilation.credentialKinds.get(declaration.kind)!
    checkReferences(compilation, declaration, path)
    const holders = holdersOf(declaration)
    const mistake: Declared<unknown>['mistake'] = (member, ...what) =>
      compilation.mistakes.add([...path, ...member], ...what)
    const place = credentialPath(compilation.credentialKinds, name, declaration)
    const files = Object.fromEntries(holders.map((one) => [one, place]))
    const declared = { name, declaration, holder: holders[0] ?? '', files, path, mistake }
    checkHandover(kind, declared)
    const planned = kind.resolve(compilation, declared)
    // For a node that is malformed nothing can be planned.
    const areKnown = holders.every((node) => own(compilation.topology.nodes, node) !== undefined)
    if (planned !== undefined && areKnown) resolved.set(name, planned)
  }
  return resolved
}

/** Reports what a credential names and nobody declares. Those that do not fit their schema are looked through likewise. */
export function checkReferences(
  compilation: Compilation,
  credential: Readonly<Record<string, unknown>> | CredentialDeclaration,
  path: readonly PropertyKey[],
): void {
  const kind = compilation.credentialKinds.get(String(credential.kind))
  const references = { holder: 'nodes', holders: 'nodes', issuer: 'nodes', ...kind?.references } as const
  for (const [member, register] of Object.entries(references)) {
    const value = (credential as Readonly<Record<string, unknown>>)[member]
    for (const [index, text] of [value].flat().entries()) {
      // Of an issuer, one of several ways to issue can be meant: `NODE/PROVISIONER`.
      const name = typeof text === 'string' ? text.split('/')[0] : text
      checkName(compilation, register, name, Array.isArray(value) ? [...path, member, index] : [...path, member])
    }
  }
}

function checkHandover(
  { name, handover: { method, why, hasSeveralHolders } }: DeclaredKind,
  { declaration, mistake }: Declared<CredentialDeclaration>,
): void {
  if (!hasSeveralHolders && holdersOf(declaration).length !== 1) {
    mistake(['holders'], `a ${name} has one holder: ${why}`, 'declare one for each of them')
  }
  const handover = handoverOf(declaration)
  const long = typeof declaration.handover === 'object' ? declaration.handover : undefined
  if (handover.method !== method) {
    const at = ['handover', ...(long === undefined ? [] : ['method'])]
    mistake(at, `"${handover.method}" does not fit a ${name}: ${why}`, `write "${method}"`)
  }
  if (handover.path?.split('/').includes('..')) {
    mistake(['handover', 'path'], 'leads out of the node’s directory', 'write a path without ".."')
  }
  if (method !== 'enrol') return
  for (const member of ['owner', 'group', 'mode'] as const) {
    if (long?.[member] === undefined) continue
    const message = 'does not fit enrol: the holder makes the key itself, with mode 0600'
    mistake(['handover', member], message, 'remove it')
  }
}
