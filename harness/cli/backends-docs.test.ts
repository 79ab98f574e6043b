import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { backends } from '../shipped.ts'
import { backendsMarkdown } from './backends-text.ts'

const guide = join(import.meta.dirname, '..', '..', 'docs', 'guides', 'choose-a-backend.md')

test('the table of the guide is what the backends declare', async () => {
  const text = await readFile(guide, 'utf8')
  const [whole = ''] = /<!-- capabilities -->\n[\s\S]*?<!-- end -->/.exec(text) ?? []
  expect(whole).not.toBe('')
  const made = text.replace(whole, `<!-- capabilities -->\n${backendsMarkdown(backends)}\n<!-- end -->`)
  await expect(made).toMatchFileSnapshot(guide)
})
