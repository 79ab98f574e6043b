import { checkUnit } from './check-names.ts'
import { isObject } from './check-shape.ts'
import { type Compilation, isDeclared, own } from './compilation.ts'
import { checkReferences } from './resolve-credentials.ts'
import { unitSchema } from './schema.ts'

/**
 * Declarations that do not fit the schema were taken out of the topology. What can be told of their other members is told
 * here, so that mending one mistake does not bring up the next.
 */
export function checkMalformed(compilation: Compilation, value: unknown): void {
  const { nodes, credentials, accepts } = value as Record<string, Record<string, unknown>>
  for (const [name, node] of Object.entries(nodes ?? {})) {
    if (own(compilation.topology.nodes, name) === undefined && isObject(node)) checkNode(compilation, name, node)
  }
  for (const [name, credential] of Object.entries(credentials ?? {})) {
    if (own(compilation.topology.credentials, name) !== undefined || !isObject(credential)) continue
    checkReferences(compilation, credential, ['credentials', name])
  }
  for (const [index, accept] of Object.values(accepts ?? {}).entries()) {
    if (!isObject(accept)) continue
    for (const [member, register] of [
      ['target', 'nodes'],
      ['credential', 'credentials'],
    ] as const) {
      const name = accept[member]
      if (isName(name)) isDeclared(compilation, register, name, ['accepts', index, member])
    }
  }
}

function checkNode(compilation: Compilation, name: string, node: Record<string, unknown>): void {
  if (isName(node.domain)) isDeclared(compilation, 'trustDomains', node.domain, ['nodes', name, 'domain'])
  if (!isObject(node.units)) return
  for (const [unitName, unit] of Object.entries(node.units)) {
    const parsed = unitSchema.safeParse(unit)
    if (parsed.success) checkUnit(compilation, name, unitName, parsed.data)
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z][a-z0-9-]*$/.test(value)
}
