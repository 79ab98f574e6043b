import { expect, test } from 'vitest'
import { chosenAttacks } from './catalogue.ts'
import { leftOpen } from './left-open.ts'

test.each(Object.entries(leftOpen))('what is left open in %s is in the catalogue', (id, { variants }) => {
  const attack = chosenAttacks({}).find((one) => one.id === id)
  expect(attack, id).toBeDefined()
  const known = Object.keys(attack!.variants)
  expect(variants === 'all' ? known : variants.filter((name) => !known.includes(name))).toEqual(
    variants === 'all' ? known : [],
  )
})
