import { expect, test } from 'vitest'
import { sparing } from './sparing.ts'

/** Two lines at once, one in each second. */
function printer() {
  const given: string[] = []
  let ms = 0
  const output = sparing((line) => given.push(line), { burst: 20, perSecond: 10, now: () => ms })
  return { given, ...output, after: (more: number) => (ms += more) }
}
const ten = '0123456789'

test('what comes slowly enough is passed on whole', () => {
  const { given, line, after, end } = printer()
  for (let second = 0; second < 50; second += 1) {
    line(`${second}`.padStart(10))
    after(1_000)
  }
  end()
  expect(given).toHaveLength(50)
})

test('what comes too fast is counted, and told in its place once something is passed on again, or in the end', () => {
  const { given, line, after, end } = printer()
  for (let at = 0; at < 5; at += 1) line(ten)
  after(900)
  line(ten)
  expect(given).toEqual([ten, ten])
  after(100)
  line('later')
  const left = (lines: number, characters: number) =>
    expect.stringContaining(`${lines} lines (${characters} characters)`)
  expect(given).toEqual([ten, ten, left(4, 40), 'later'])

  line(ten)
  end()
  expect(given.slice(4)).toEqual([left(1, 10)])
  end()
  expect(given).toHaveLength(5)
})
