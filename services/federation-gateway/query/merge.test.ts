import { expect, test } from 'vitest'
import { interleave, mergeByTime } from './merge.ts'

const row = (createdAt: string, _source: string, id = '') => ({ createdAt, _source, id })

test('rows come by time, those of one moment by source, and those of one source as it gave them', () => {
  const local = [row('3', 'local', 'a'), row('3', 'local', 'z'), row('1', 'local')]
  const [b, c] = [[row('3', 'federated:b'), row('2', 'federated:b')], [row('4', 'federated:c')]]
  const expected = ['4 federated:c', '3 federated:b', '3 local', '3 local', '2 federated:b', '1 local']
  for (const parts of [
    [local, b, c],
    [c, b, local],
  ]) {
    const merged = mergeByTime(parts)
    expect(merged.map(({ createdAt, _source }) => `${createdAt} ${_source}`)).toEqual(expected)
    expect(merged.filter(({ _source }) => _source === 'local').map(({ id }) => id)).toEqual(['a', 'z', ''])
  }
})

test('hits come by their rank within their source', () => {
  expect(interleave([['a1', 'a2', 'a3'], ['b1'], [], ['c1', 'c2']])).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  expect(interleave([])).toEqual([])
})
