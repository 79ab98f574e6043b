import { expect, test } from 'vitest'
import { addParameter } from './parameters.ts'

test('a value that is JSON is what it says, and any other is text', () => {
  const given = ['games=20', 'fast=true', 'name=alice', 'digits="20"', 'list=[1,2]', 'none=', 'a=b=c', '__proto__=1']
  const parameters = given.reduce<Record<string, unknown>>((before, text) => addParameter(text, before), {})
  expect(JSON.stringify(parameters)).toBe(
    '{"games":20,"fast":true,"name":"alice","digits":"20","list":[1,2],"none":"","a":"b=c","__proto__":1}',
  )
})

test.each([
  ['games', 'must be NAME=VALUE'],
  ['=20', 'must be NAME=VALUE'],
  ['games=3', 'games is given twice'],
])('%s is none', (text, message) => {
  expect(() => addParameter(text, { games: 20 })).toThrow(message)
})
