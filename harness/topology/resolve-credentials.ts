import { type Compilation, checkName, own } from './compilation.ts'
import type { Declared, DeclaredKind } from './credential-kind.ts'
import { credentialPath } from './paths.ts'
import type { PlanCredential } from './plan.ts'
import { type CredentialDeclaration, handoverOf, holdersOf } from './schema.ts'

type Path = readonly PropertyKey[]

/** Every credential with its defaults filled in; those with mistakes are reported and left out. */
export function resolveCredentials(compilation: Compilation): Map<string, PlanCredential> {
  const resolved = new Map<string, PlanCredential>()
  for (const [name, declaration] of Object.entries(compilation.topology.credentials)) {
    const path = ['credentials', name]
    const kind = compilation.credentialKinds.get(declaration.kind)!
    checkReferences(compilation, declaration, path)
    checkHandover(compilation, kind, declaration, path)
    const holders = holdersOf(declaration)
    const [holder = ''] = holders
    const mistake: Declared<unknown>['mistake'] = (member, ...what) =>
      compilation.mistakes.add([...path, ...member], ...what)
    const place = credentialPath(compilation.credentialKinds, name, declaration)
    const files = Object.fromEntries(holders.map((one) => [one, place]))
    const planned = kind.resolve(compilation, { name, declaration, holder, files, path, mistake })
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
  path: Path,
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
  { mistakes }: Compilation,
  { name, handover: { method, why, hasSeveralHolders } }: DeclaredKind,
  declaration: CredentialDeclaration,
  path: Path,
): void {
  if (!hasSeveralHolders && holdersOf(declaration).length !== 1) {
    mistakes.add([...path, 'holders'], `a ${name} has one holder: ${why}`, 'declare one for each of them')
  }
  const handover = handoverOf(declaration)
  const at = [...path, 'handover']
  const declared = typeof declaration.handover === 'object' ? declaration.handover : undefined
  if (handover.method !== method) {
    const message = `"${handover.method}" does not fit a ${name}: ${why}`
    mistakes.add(declared === undefined ? at : [...at, 'method'], message, `write "${method}"`)
  }
  if (handover.path?.split('/').includes('..')) {
    mistakes.add([...at, 'path'], 'leads out of the node’s directory', 'write a path without ".."')
  }
  if (method !== 'enrol') return
  for (const member of ['owner', 'group', 'mode'] as const) {
    if (declared?.[member] === undefined) continue
    mistakes.add([...at, member], 'does not fit enrol: the holder makes the key itself, with mode 0600', 'remove it')
  }
}
