import { expect, test } from 'vitest'
import { plainText, textTable } from './text-table.ts'

test('columns are as wide as their widest cell, and nothing follows the last one', () => {
  const table = textTable(
    ['id', 'state'],
    [
      ['a', 'active'],
      ['longer', ''],
    ],
  )
  expect(table).toBe('ID      STATE\na       active\nlonger')
})

test('no cell commands a terminal, and none breaks a row', () => {
  expect(textTable(['name'], [['\u001b[2Jgone\r\nroot \u009b31m é']])).toBe('NAME\n?[2Jgone??root ?31m é')
  expect(plainText('a\tb\u007f')).toBe('a?b?')
})
