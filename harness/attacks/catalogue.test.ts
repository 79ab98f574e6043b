import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { kinds } from '../shipped.ts'
import { familyNames, families as shippedFamilies } from '../shipped-families.ts'
import { whyUntried } from './attack.ts'
import { catalogueText } from './catalogue-text.ts'
import { AttackUnknown, chosenAttacks } from './scope.ts'
import { commonSurfaces } from './surfaces.ts'

const families = await shippedFamilies()
const all = chosenAttacks(families)

test('each family is listed under its own name', () => {
  expect(families.map(({ name }) => name)).toEqual(familyNames)
})

function numbered(prefix: string, last: number): string[] {
  return Array.from({ length: last }, (_, index) => `${prefix}-${String(index + 1).padStart(2, '0')}`)
}

test.each([
  ['gen', numbered('GEN', 43)],
  ['tls', numbered('TLS', 35)],
  ['peer', numbered('PEER', 31)],
])('family %s holds each of its cases once', (family, ids) => {
  expect(chosenAttacks(families, { families: [family] }).map(({ id }) => id)).toEqual(ids)
})

test.each(all.flatMap(({ id, shownBy = [] }) => [...shownBy].map((scenario) => [id, scenario] as const)))(
  '%s is named by %s, which shows it',
  async (id, shownBy) => {
    const scenario = new URL(`../../scenarios/${shownBy}/README.md`, import.meta.url)
    expect(await readFile(scenario, 'utf8')).toContain(id)
  },
)

describe.each(all)('$id', (attack) => {
  const { id, title, source, needs, variants } = attack

  test('can be tried, or says why it cannot', () => {
    expect(Object.keys(variants).length > 0).toBe(whyUntried(attack) === undefined)
    expect(needs.length, 'what it needs').toBeGreaterThan(0)
  })

  test('each variant says what must come of it, and for which reason', () => {
    for (const [name, { expect: outcome }] of Object.entries(variants)) {
      expect(outcome.length, name).toBeGreaterThan(0)
      const silent = outcome.filter((one) => one.is === 'refused' && one.reasons.length === 0)
      expect(silent, name).toEqual([])
    }
  })

  test('what it leaves open is left open by a clause', () => {
    const because = Object.values(variants).flatMap(({ leftOpen = [] }) => leftOpen)
    expect(because.filter((why) => !/RFC \d+/.test(why))).toEqual([])
  })

  test('loses no variant to the prototype: `__proto__: …` in a literal is no member', () => {
    expect(Object.getPrototypeOf(variants)).toBe(Object.prototype)
  })

  test('is a sentence with a source', () => {
    expect(title).toMatch(/^[a-z*].* .*[^.]$/)
    expect(source).toMatch(/RFC \d+|CVE-\d+|GHSA-|X\.509|Envoy|NATS|nats-server/)
    expect(id).toMatch(/^(GEN|TLS|PEER|NATS)-\d\d$/)
  })
})

test('each surface is declared once, by a family or for all of them, and whatever is needed or offered is declared', () => {
  const declared = [commonSurfaces, ...families.map(({ surfaces }) => surfaces)].flatMap(Object.keys)
  const ofAttacks = all.flatMap(({ needs, variants }) => [
    ...needs,
    ...Object.values(variants).flatMap(({ needs = [], at = {} }) => [...needs, ...Object.keys(at)]),
  ])
  const ofKinds = [...kinds.values()].flatMap(({ surfaces = [] }) => surfaces)

  expect(declared.filter((name, at) => declared.indexOf(name) !== at)).toEqual([])
  expect([...ofAttacks, ...ofKinds].filter((name) => !declared.includes(name))).toEqual([])
})

test('what is chosen must be there', () => {
  expect(chosenAttacks(families, { cases: ['GEN-07', 'GEN-05'] }).map(({ id }) => id)).toEqual(['GEN-05', 'GEN-07'])
  expect(() => chosenAttacks(families, { families: ['jose'] })).toThrow(AttackUnknown)
  expect(() => chosenAttacks(families, { families: ['tls'], cases: ['GEN-01'] })).toThrow(AttackUnknown)
})

test('the reference holds the whole catalogue', async () => {
  await expect(catalogueText(families)).toMatchFileSnapshot('../../docs/reference/attacks.md')
})
