import { describe, expect, test } from 'vitest'
import { cliReference } from '../harness/cli/reference.ts'
import { brokenLinksOf, documents, examplesOf, regionOf } from './documents.ts'

const all = documents()

test('there are documents and examples to check', () => {
  expect(all).toContain('README.md')
  expect(all.flatMap(examplesOf).length).toBeGreaterThan(2)
})

describe.each(all)('%s', (document) => {
  test('every relative link leads somewhere', () => {
    expect(brokenLinksOf(document)).toEqual([])
  })

  test.each(examplesOf(document))('the example at line $line is $source', ({ kind, text, source }) => {
    if (kind === 'source') expect(text).toBe(regionOf(source))
    else expect(regionOf(source)).toContain(text)
  })
})

test('a region is cut out without its indentation, and a missing one is noticed', () => {
  expect(regionOf('checks/documents.ts#no-such-region')).toBeUndefined()
  expect(regionOf('checks/no-such-file.ts')).toBeUndefined()
})

test('the reference of the command line is what the commands print', async () => {
  await expect(await cliReference()).toMatchFileSnapshot('../docs/reference/cli.md')
})
