import { expect, test } from 'vitest'
import { configurationKeys } from '../shared/configuration.ts'
import { configurationJsonSchema, program } from './config.ts'

const reference = '../../docs/reference'

test('docs/reference/gateway.schema.json is what `gateway schema` prints', async () => {
  const schema = `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`
  await expect(schema).toMatchFileSnapshot(`${reference}/gateway.schema.json`)
})

test('docs/reference/gateway.md is generated from the schema', async () => {
  await expect(settingsReference()).toMatchFileSnapshot(`${reference}/gateway.md`)
})

interface Member {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Member>>
}

function settingsReference(): string {
  const schema = configurationJsonSchema() as Member
  const rows = configurationKeys(program).map(({ key, flag, variable, description }) => {
    const member = key.split('.').reduce<Member>((at, name) => at.properties![name]!, schema)
    // What stands on a command line can be read by every user of the machine.
    const isSecret = program.secrets?.includes(key)
    const cells = [
      `\`${key}\``,
      allowedIn(member),
      defaultOf(member, isNeeded(schema, key)),
      `\`${variable}\``,
      isSecret ? '' : `\`${flag}\``,
    ]
    return `| ${[...cells, description].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [
    '# Settings of a federation gateway',
    '',
    'Flag beats environment variable beats `gateway.json` beats default. A variable of spaces alone counts as absent; unknown members and variables keep the gateway from',
    'starting. A secret has no flag; a value and its file are not both given, and the file must be 0600. The JSON Schema is [gateway.schema.json](gateway.schema.json);',
    '`gateway schema` prints it. This page is generated from it.',
    '',
    '| key | value | default | variable | flag | meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

function allowedIn({ type, enum: values, minimum, maximum }: Member): string {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(', ')
  if (type === 'integer') return minimum === undefined ? 'number' : `${minimum} to ${maximum}`
  return type === 'array' ? 'list of text' : 'text'
}

function isNeeded(schema: Member, key: string): boolean {
  let at = schema
  return key.split('.').every((name) => {
    const isRequired = at.required?.includes(name) === true
    at = at.properties![name]!
    return isRequired
  })
}

function defaultOf({ default: value }: Member, isNeeded: boolean): string {
  if (isNeeded) return 'none: it is needed'
  return value === undefined ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}
