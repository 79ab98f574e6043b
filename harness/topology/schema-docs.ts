import { z } from 'zod'
import type { Kinds } from './compilation.ts'
import type { DeclaredKind } from './credential-kind.ts'
import { topologySchema } from './schema.ts'

/** A part of a JSON Schema, as far as the reference needs it. */
interface SchemaPart
  extends Pick<z.core.JSONSchema.BaseSchema, 'const' | 'enum' | 'description' | 'default' | 'required'> {
  type?: string
  properties?: Readonly<Record<string, SchemaPart>>
  additionalProperties?: SchemaPart | boolean
  items?: SchemaPart
  anyOf?: readonly SchemaPart[]
  oneOf?: readonly SchemaPart[]
}

/** The JSON Schema of a topology, as people write one. */
export function topologyJsonSchema(credentialKinds: readonly DeclaredKind[]): Record<string, unknown> {
  return { title: 'Holdfast topology', ...z.toJSONSchema(topologySchema(credentialKinds), { io: 'input' }) }
}

/** The reference of all members, one table row each. */
export function topologyReference(kinds: Kinds, credentialKinds: readonly DeclaredKind[]): string {
  const rows = members(topologyJsonSchema(credentialKinds) as SchemaPart, '')
  const width = Math.max(...rows.map(({ path }) => path.length)) + 2
  return [
    '# Topology reference',
    '',
    'Every member of a topology. `<name>` stands for a name of your own, `[]` for each entry of a list. The JSON Schema is',
    '[topology.schema.json](topology.schema.json); `holdfast check --schema` prints it. This page is generated from it.',
    '',
    `| ${'member'.padEnd(width)} | value | needed | meaning |`,
    `| ${'-'.repeat(width)} | --- | --- | --- |`,
    ...rows.map(
      ({ path, value, needed, meaning }) => `| ${`\`${path}\``.padEnd(width)} | ${value} | ${needed} | ${meaning} |`,
    ),
    '',
    ...settingsSections(kinds),
    'A name is at most 63 lower-case letters, digits and hyphens, and begins with a letter. A duration is a whole number and a',
    'unit: `30s`, `10m`, `2h`, `30d`.',
    '',
  ].join('\n')
}

function settingsSections(kinds: Kinds): string[] {
  return [...kinds.values()].flatMap(({ name, summary, settings }) => {
    const rows = members(z.toJSONSchema(settings, { io: 'input', unrepresentable: 'any' }) as SchemaPart, '')
    const lines = rows.map(
      ({ path, value, standard, needed, meaning }) =>
        `| \`${path}\` | ${value} | ${standard} | ${needed} | ${meaning} |`,
    )
    const header = ['| setting | value | default | needed | meaning |', '| --- | --- | --- | --- | --- |']
    const table = rows.length > 0 ? [...header, ...lines, ''] : []
    return [`## Settings of \`${name}\``, '', `${summary}.`, '', ...table]
  })
}

type Row = Record<'path' | 'value' | 'needed' | 'meaning' | 'standard', string>

function members(part: SchemaPart, base: string, variant?: string): Row[] {
  return Object.entries(part.properties ?? {}).flatMap(([name, member]) => {
    const path = base === '' ? name : `${base}.${name}`
    const meaning = [variant && `(${variant})`, member.description].filter(Boolean).join(' ').replaceAll('|', '\\|')
    const { default: given } = member
    const standard = given === undefined ? '' : `\`${typeof given === 'string' ? given : JSON.stringify(given)}\``
    const needed = part.required?.includes(name) ? 'yes' : ''
    return [{ path, value: valueText(member), needed, meaning, standard }, ...below(member, path, variant)]
  })
}

function below(part: SchemaPart, path: string, variant?: string): Row[] {
  if (part.properties) return members(part, path, variant)
  const inner = part.additionalProperties
  if (typeof inner === 'object' && Object.keys(inner).length > 0) return variants(inner, `${path}.<name>`, variant)
  if (part.items) return variants(part.items, `${path}[]`, variant)
  return (part.anyOf ?? []).filter((branch) => branch.properties).flatMap((branch) => members(branch, path, variant))
}

function variants(part: SchemaPart, path: string, variant?: string): Row[] {
  if (part.oneOf === undefined) return below(part, path, variant)
  return part.oneOf.flatMap((branch) => members(branch, path, String(branch.properties?.kind?.const ?? '')))
}

function valueText(part: SchemaPart): string {
  if (part.const !== undefined) return `\`${part.const}\``
  if (part.enum) return part.enum.map((value) => `\`${value}\``).join(', ')
  const branches = part.anyOf ?? part.oneOf
  if (branches) return [...new Set(branches.map(valueText))].join(' or ')
  if (part.type === 'array') return `list of ${part.items ? valueText(part.items) : 'values'}`
  if (part.type === 'string') return 'text'
  return part.type ?? 'value'
}
