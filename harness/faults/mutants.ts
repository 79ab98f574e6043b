import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GuardUse } from '../evidence/coverage.ts'
import { childrenOf, type Mutation, mutationsOf, type SyntaxNode, syntaxOf } from './mutator.ts'

/** One small change of a service, in a guard or in what a guard calls. */
export interface Mutant extends Mutation {
  /** Which of a run it is, from 1; of its service until it is in one. */
  readonly number: number
  /** `orchestrator shared/token-form.ts:23:9 dropped operand → kid === ''`: the same for as long as the line is. */
  readonly id: string
  readonly service: string
  /** Path of the module below the folder of the services. */
  readonly module: string
  readonly line: number
  /** That line, without blanks around it. */
  readonly lineText: string
  /** `dropped operand → kid === ''`. */
  readonly change: string
  /** What stands there. */
  readonly original: string
  /** Guards that come to it, those with the fewest calls between first: `token.form`. */
  readonly guards: readonly string[]
  /** Calls between the first of them and this: 0 inside of a guard. */
  readonly calls: number
}

interface Module {
  readonly path: string
  readonly source: string
  readonly definitions: readonly Definition[]
  /** Names of this module for what others export. */
  readonly imports: ReadonlyMap<string, { readonly path: string; readonly name: string }>
}

/** A function, constant or class at the top of a module. */
interface Definition {
  readonly name: string
  readonly start: number
  readonly end: number
  /** Guards that it declares. */
  readonly guards: readonly string[]
  readonly mentions: ReadonlySet<string>
  readonly texts: ReadonlySet<string>
  /** Functions that an object or class in it has as members. */
  readonly methods: readonly string[]
}

const services = new URL('../../services/', import.meta.url)
/** A guard, what it calls, and what that calls: beyond that it is hardly the guard's. */
const MOST_CALLS = 2

/**
 * All mutants of a service, each with its guards. A function belongs to a guard that comes to it by its calls, and to a guard one of
 * whose reasons it names: what finds that a certificate has expired is no part of the guard that refuses it then.
 */
export function mutantsOf(uses: readonly GuardUse[]): Mutant[] {
  const [service] = uses.map((use) => use.service)
  if (service === undefined) return []
  const modules = modulesOf(service)
  const guardsOf = reached(modules, uses)
  const all = [...modules.values()].flatMap((module) => {
    const mutations = mutationsOf(module.path, module.source)
    return module.definitions.flatMap((definition) => {
      const reach = guardsOf.get(definition)
      const own = mutations.filter(({ start, end }) => start >= definition.start && end <= definition.end)
      return reach === undefined ? [] : own.map((mutation) => ({ module, mutation, reach }))
    })
  })
  return all.map(({ module, mutation, reach }, index) => {
    const before = module.source.slice(0, mutation.start).split('\n')
    const [line, column] = [before.length, before.at(-1)!.length + 1]
    const original = module.source.slice(mutation.start, mutation.end)
    const change = `${mutation.name} → ${mutation.text.replaceAll(/\s+/g, ' ')}`
    const id = `${service} ${module.path}:${line}:${column} ${change}`
    const lineText = module.source.split('\n')[line - 1]!.trim()
    const place = { service, module: module.path, line, lineText, change, original }
    return { ...mutation, number: index + 1, id, ...place, ...reach }
  })
}

/** What a verdict about mutants of a module rests on, as far as the service is concerned. */
export function moduleHash(module: string): string {
  return createHash('sha256')
    .update(readFileSync(new URL(module, services)))
    .digest('hex')
    .slice(0, 16)
}

export function moduleSource(module: string): string {
  return readFileSync(new URL(module, services), 'utf8')
}

/** Every module of a service that its entry imports, by its path; with those that it shares with others. */
function modulesOf(service: string): Map<string, Module> {
  const root = fileURLToPath(services)
  const suffix = existsSync(new URL(`${service}/main.ts`, services)) ? 'ts' : 'js'
  const found = new Map<string, Module>()
  const visit = (path: string): void => {
    if (found.has(path) || !existsSync(new URL(path, services))) return
    const source = moduleSource(path)
    const program = syntaxOf(path, source)
    const below = (specifier: string) => relative(root, fileURLToPath(new URL(specifier, new URL(path, services))))
    const imports = importsOf(program, below)
    found.set(path, { path, source, imports, definitions: definitionsOf(program) })
    for (const imported of source.matchAll(/(?:\bfrom|\bimport\()\s*'(\.[^']+)'/g)) visit(below(imported[1]!))
  }
  visit(`${service}/main.${suffix}`)
  return found
}

function importsOf(program: SyntaxNode, below: (specifier: string) => string) {
  const declarations = (program.body as SyntaxNode[]).filter(
    ({ type, source }) => type === 'ImportDeclaration' && source.value.startsWith('.'),
  )
  const names = declarations.flatMap(({ source, specifiers }) =>
    specifiers.map(
      ({ local, imported }: SyntaxNode) =>
        [local.name, { path: below(source.value), name: imported?.name ?? 'default' }] as const,
    ),
  )
  return new Map<string, { path: string; name: string }>(names)
}

function definitionsOf(program: SyntaxNode): Definition[] {
  return (program.body as SyntaxNode[]).flatMap((statement) => {
    const declaration: SyntaxNode = statement.declaration ?? statement
    if (declaration.type === 'VariableDeclaration') return declaration.declarations.map(definition)
    return /^(Function|Class)Declaration$/.test(declaration.type) ? [definition(declaration)] : []
  })
}

function definition(node: SyntaxNode): Definition {
  const [mentions, texts, guards, methods] = [new Set<string>(), new Set<string>(), [] as string[], [] as string[]]
  const visit = (one: SyntaxNode): void => {
    if (one.type.startsWith('TSType') || one.type === 'TSInterfaceDeclaration') return
    if (one.type === 'Identifier' || one.type === 'PrivateIdentifier') mentions.add(one.name)
    if (one.type === 'Literal' && typeof one.value === 'string') texts.add(one.value)
    if (one.type === 'CallExpression' && one.callee.name === 'guard') guards.push(String(one.arguments[0]?.value))
    if (/^(Property|MethodDefinition|PropertyDefinition)$/.test(one.type) && /Function/.test(one.value?.type))
      methods.push(one.key.name)
    for (const child of childrenOf(one)) visit(child)
  }
  visit(node)
  return { name: node.id.name ?? '', start: node.start, end: node.end, ...{ mentions, texts, guards, methods } }
}

/** Names that everything has: a call of `get` leads nowhere. */
const COMMON = new Set(
  [Object, Array, Map, Set, Promise, String, RegExp, Date, Function, Number].flatMap(({ prototype }) =>
    Object.getOwnPropertyNames(prototype),
  ),
)

/** The guards of each definition that some guard comes to, the nearest first. */
function reached(
  modules: ReadonlyMap<string, Module>,
  uses: readonly GuardUse[],
): Map<Definition, Pick<Mutant, 'guards' | 'calls'>> {
  const all = [...modules.values()].flatMap((module) => module.definitions.map((one) => ({ module, one })))
  const byName = new Map(all.map((entry) => [`${entry.module.path} ${entry.one.name}`, entry]))
  const byMethod = Map.groupBy(
    all.flatMap((entry) => entry.one.methods.map((name) => ({ name, ...entry }))),
    ({ name }) => name,
  )
  const ledTo = ({ module, one }: (typeof all)[number]) =>
    [...one.mentions].flatMap((name) => {
      const { path, name: exported } = module.imports.get(name) ?? { path: module.path, name }
      const direct = byName.get(`${path} ${exported}`)
      if (direct !== undefined) return [direct]
      const [method, ...others] = COMMON.has(name) ? [] : (byMethod.get(name) ?? [])
      return method !== undefined && others.length === 0 ? [method] : []
    })
  const found = new Map<Definition, { guard: string; calls: number }[]>()
  for (const { guard, reasons } of uses) {
    const isOwn = ({ one }: (typeof all)[number]) => one.guards.includes(guard)
    const finds = ({ one }: (typeof all)[number]) =>
      one.guards.length === 0 && reasons.some(({ name }) => one.texts.has(name))
    let front = all.filter(isOwn)
    const seen = new Set<Definition>()
    for (let calls = 0; calls <= MOST_CALLS; calls += 1) {
      const fresh = new Set(
        front.filter(({ one }) => !seen.has(one) && (one.guards.length === 0 || one.guards.includes(guard))),
      )
      for (const { one } of fresh) {
        seen.add(one)
        found.set(one, [...(found.get(one) ?? []), { guard, calls }])
      }
      front = [...[...fresh].flatMap(ledTo), ...(calls === 0 ? all.filter(finds) : [])]
    }
  }
  const nearest = (reach: { guard: string; calls: number }[]) => {
    const sorted = reach.toSorted((a, b) => a.calls - b.calls)
    return { guards: sorted.map(({ guard }) => guard), calls: sorted[0]!.calls }
  }
  return new Map([...found].map(([one, reach]) => [one, nearest(reach)]))
}
