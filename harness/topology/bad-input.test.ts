import { describe, expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { loadTopology } from './load.ts'
import { pathText, TopologyInvalid } from './mistakes.ts'
import type { TopologyInput } from './schema.ts'

// Every field of the shipped topologies, wrong in turn: each time one error that names the field.

type Path = readonly (string | number)[]
interface Field {
  path: Path
  value: unknown
}

const topologies = await Promise.all(
  ['separate-auth', 'shared-auth'].map(async (name) => {
    const set = { certificateLifetime: '10m', tokenLifetime: '5m' }
    const value = enriched((await loadTopology(name, { set })).value)
    return { name, value, fields: fieldsOf(value, []) }
  }),
)

/** Members that the shipped topologies leave to their defaults. */
function enriched(value: unknown): unknown {
  const topology = structuredClone(value) as TopologyInput
  const node = topology.nodes['node-a']!.units.orchestrator!
  const token = topology.credentials['node-a']!
  const certificate = topology.credentials['cert-node-a']!
  node.after = Object.keys(topology.nodes)
    .filter((name) => name.startsWith('ca'))
    .map((name) => `${name}/ca`)
  if (token.kind === 'bound-token') {
    Object.assign(token, { boundTo: 'cert-node-a', use: 'node', nodes: ['node-a', 'node-b'] })
    token.handover = { method: 'mint', path: 'tokens/own', owner: 'peering', group: 'peering', mode: '0640' }
  }
  if (certificate.kind === 'certificate') {
    Object.assign(certificate, { subject: 'node-a.somebiz.local.io', sans: ['node-a.somebiz.local.io'] })
  }
  return topology
}

function fieldsOf(value: unknown, path: Path): Field[] {
  const own = path.length === 0 ? [] : [{ path, value }]
  if (typeof value !== 'object' || value === null) return own
  const members: Field[] = Array.isArray(value)
    ? value.flatMap((entry, index) => fieldsOf(entry, [...path, index]))
    : Object.entries(value).flatMap(([name, member]) => fieldsOf(member, [...path, name]))
  return [...own, ...members]
}

function changed(topology: unknown, path: Path, change: (holder: Record<string, unknown>, last: string) => void) {
  const copy = structuredClone(topology)
  const holder = path.slice(0, -1).reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], copy)
  change(holder as Record<string, unknown>, String(path.at(-1)))
  return copy
}

function placesOf(topology: unknown): string[] {
  try {
    compile(topology as TopologyInput)
  } catch (failure) {
    if (!(failure instanceof TopologyInvalid)) throw failure
    expect(failure.message).not.toMatch(/\n +at |undefined|\[object/)
    for (const { path, message } of failure.mistakes) expect(message, path).not.toBe('')
    return failure.mistakes.map(({ path }) => path)
  }
  return []
}

/** The places of mistakes that lie at a field or inside it. */
function placesAt(topology: unknown, path: Path): string[] {
  const place = pathText(path)
  return placesOf(topology).filter(
    (found) => found === place || found.startsWith(`${place}.`) || found.startsWith(`${place}[`),
  )
}

const isText = ({ value }: Field) => typeof value === 'string'
const isObject = ({ value }: Field) => typeof value === 'object' && value !== null && !Array.isArray(value)
const matches =
  (...patterns: RegExp[]) =>
  ({ path }: Field) =>
    patterns.some((pattern) => pattern.test(pathText(path)))

/** Objects whose member names are the user's own. */
const isRegister = matches(/^(trustDomains|nodes|credentials)$/, /^nodes\.[^.]+\.units$/, /\.settings\.peers$/)
const isOptional = matches(
  /^trustDomains\.[^.]+\.(issuer|peeringAudience)$/,
  /\.(after|settings|boundTo|use|nodes|lifetime|domains|sans|validation|operators|peers|trustDomain)$/,
  /^credentials\.[^.]+\.subject$/,
  /\.handover\.(path|owner|group|mode)$/,
  /^nodes\.[^.]+\.units\.[^.]+$/,
)
/** Any text is as good as another. */
const isFreeText = matches(/^summary$/, /\.handover\.path$/)
const isName = matches(
  /^trustDomains\.[^.]+\.(ca|issuer)$/,
  /^nodes\.[^.]+\.domain$/,
  /\.(kind|holder|boundTo|use|handover|method|auth|token|trustDomain|validation)$/,
  /^credentials\.[^.]+\.(issuer|nodes\[\d+\]|audience\[\d+\])$/,
  /^credentials\.(node|peer)-[^.]+\.subject$/,
  /\.after\[\d+\]$/,
  /^accepts\[\d+\]\.(target|action|credential)(\[\d+\])?$/,
)

describe.each(topologies)('$name', ({ value, fields }) => {
  test('compiles as it is (positive control)', () => {
    expect(placesOf(value)).toEqual([])
    expect(fields.length).toBeGreaterThan(100)
  })

  test('a value of another type is a mistake at that field', () => {
    for (const { path } of fields) {
      for (const wrong of [7, null, [[]]]) {
        const topology = changed(value, path, (holder, last) => {
          holder[last] = wrong
        })
        expect(placesAt(topology, path), `${pathText(path)} = ${JSON.stringify(wrong)}`).not.toEqual([])
      }
    }
  })

  test('a malformed text is a mistake at that field', () => {
    for (const field of fields.filter(isText).filter((field) => !isFreeText(field))) {
      for (const wrong of ['', 'Not a name!', 'a\u0000b']) {
        const topology = changed(value, field.path, (holder, last) => {
          holder[last] = wrong
        })
        expect(placesAt(topology, field.path), `${pathText(field.path)} = ${JSON.stringify(wrong)}`).not.toEqual([])
      }
    }
  })

  test('a name that is not declared is a mistake at that field', () => {
    const names = fields.filter(isText).filter(isName)
    expect(names.length).toBeGreaterThan(40)
    for (const { path } of names) {
      for (const wrong of ['nobody', 'constructor']) {
        const topology = changed(value, path, (holder, last) => {
          holder[last] = wrong
        })
        expect(placesAt(topology, path), `${pathText(path)} = ${wrong}`).not.toEqual([])
      }
    }
  })

  test('a member that is missing is a mistake at that field', () => {
    const required = fields.filter(({ path }) => typeof path.at(-1) === 'string').filter((field) => !isOptional(field))
    const declarations = matches(/^(trustDomains|nodes|credentials)\.[^.]+$/, /\.peers\.[^.]+(\.token)?$/)
    const direct = required.filter((field) => !declarations(field))
    expect(direct.length).toBeGreaterThan(50)
    for (const { path } of direct) {
      const topology = changed(value, path, (holder, last) => {
        delete holder[last]
      })
      expect(placesAt(topology, path), `${pathText(path)} is missing`).not.toEqual([])
    }
  })

  test('a whole declaration that is missing is a mistake somewhere', () => {
    for (const { path } of fields.filter(matches(/^(trustDomains|nodes|credentials)\.[^.]+$/))) {
      const topology = changed(value, path, (holder, last) => {
        delete holder[last]
      })
      expect(placesOf(topology), `${pathText(path)} is missing`).not.toEqual([])
    }
  })

  test('an unknown member is a mistake at that member', () => {
    for (const field of [{ path: [], value }, ...fields].filter(isObject).filter((field) => !isRegister(field))) {
      const path = [...field.path, 'surprise']
      const topology = changed(value, path, (holder, last) => {
        holder[last] = 1
      })
      expect(placesAt(topology, path), `${pathText(path)} = 1`).not.toEqual([])
    }
  })
})

test.each([[null], [7], ['text'], [[]], [{}], [undefined]])(
  '%j is no topology, and that is one clear error',
  (value) => {
    expect(() => compile(value as never)).toThrow(TopologyInvalid)
  },
)
