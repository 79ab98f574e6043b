import { describe, expect, test } from 'vitest'
import { NEW, OLD } from '../testing/tokens.ts'
import { carriedBy } from './carrier.ts'

const carried = (
  headersDistinct: Record<string, string[]>,
  { url = '/', alias, formNames }: { url?: string; alias?: string; formNames?: string[] } = {},
) => {
  const { value, problem } = carriedBy({ headersDistinct, url }, { alias, formNames })
  return problem ?? value?.toString('latin1')
}
const bearer = (...authorization: string[]) => ({ authorization })

describe('the header', () => {
  test.each([`Bearer ${OLD}`, `bearer ${OLD}`, `BEARER ${OLD}`, `bEaReR   ${OLD}`])('%s carries a token', (value) => {
    expect(carried(bearer(value))).toBe(OLD)
  })

  test.each([`${OLD}==`, 'a', 'A-Z.a_z~0+9/', 'x'.repeat(600)])('carries anything that is a b64token: %s', (token) => {
    expect(carried(bearer(`Bearer ${token}`))).toBe(token)
  })

  test.each(['', 'Basic x', `Basic ${OLD}`, 'Bearers x', `Bearer-${OLD}`, OLD, `Digest Bearer ${OLD}`])(
    'with another scheme carries none: %j',
    (value) => {
      expect(carried(bearer(value))).toBeUndefined()
    },
  )

  test.each([
    'Bearer',
    'Bearer\tx',
    'Bearer \tx',
    `Bearer ${OLD} ${NEW}`,
    `Bearer ${OLD},Bearer ${NEW}`,
    `Bearer ${OLD}, ${NEW}`,
    `Bearer "${OLD}"`,
    `Bearer ${OLD};x`,
    `Bearer ${OLD}=x`,
    'Bearer =',
    `Bearer=${OLD}`,
    `Bearer,${OLD}`,
    'Bearer \xe9',
    'Bearer\xe9',
    `Bearer ${OLD}\xff`,
    'Bearer \0',
    `Bearer {"token":"${OLD}"}`,
  ])('is malformed: %j', (value) => {
    expect(carried(bearer(value))).toBe('carrier_malformed')
  })

  test.each([
    [`Bearer ${OLD}`, `Bearer ${NEW}`],
    [`Bearer ${OLD}`, `Bearer ${OLD}`],
    [`Bearer ${OLD}`, 'Basic x'],
    ['Basic x', 'Basic x'],
    ['', `Bearer ${OLD}`],
  ])('may be there once: %j, %j', (one, other) => {
    expect(carried(bearer(one, other))).toBe('carrier_repeated')
  })

  test('is not there: none', () => {
    expect(carried({})).toBeUndefined()
  })
})

describe('the alias', () => {
  const alias = 'x-ringrift-auth'

  test('is a header like any other while it is off', () => {
    expect(carried({ [alias]: [OLD] })).toBeUndefined()
    expect(carried({ [alias]: [OLD], ...bearer(`Bearer ${NEW}`) })).toBe(NEW)
  })

  test('carries the token as its whole value', () => {
    expect(carried({ [alias]: [OLD] }, { alias })).toBe(OLD)
    expect(carried({ [alias]: [`Bearer ${OLD}`] }, { alias })).toBe('carrier_malformed')
    expect(carried({ [alias]: [''] }, { alias })).toBe('carrier_malformed')
    expect(carried({ [alias]: ['\xff'] }, { alias })).toBe('carrier_malformed')
  })

  test('is one of two ways, of which one is taken', () => {
    expect(carried({ [alias]: [OLD], ...bearer(`Bearer ${OLD}`) }, { alias })).toBe('carrier_repeated')
    expect(carried({ [alias]: [OLD], ...bearer('Bearer') }, { alias })).toBe('carrier_repeated')
    expect(carried({ [alias]: [OLD, OLD] }, { alias })).toBe('carrier_repeated')
    expect(carried({ [alias]: [OLD], ...bearer('Basic x') }, { alias })).toBe(OLD)
    expect(carried(bearer(`Bearer ${OLD}`), { alias })).toBe(OLD)
  })
})

describe('query and form', () => {
  test.each([
    '/?access_token=x',
    '/?a=1&access_token=',
    '/?access_token',
    '/?access%5Ftoken=x',
    '/v1/status?%61ccess_token=x',
  ])('that carry a token are refused: %s', (url) => {
    expect(carried({}, { url })).toBe('carrier_in_query')
    expect(carried(bearer(`Bearer ${OLD}`), { url })).toBe('carrier_in_query')
  })

  test.each(['/?token=x', '/?ACCESS_TOKEN=x', '/access_token', '/?q=access_token'])(
    'that do not, are not: %s',
    (url) => {
      expect(carried({}, { url })).toBeUndefined()
    },
  )

  test('a form is known by its names', () => {
    expect(carried({}, { formNames: ['a', 'access_token'] })).toBe('carrier_in_query')
    expect(carried(bearer(`Bearer ${OLD}`), { formNames: ['a'] })).toBe(OLD)
  })

  test('a cookie carries nothing', () => {
    expect(carried({ cookie: [`Authorization=Bearer ${OLD}; access_token=${OLD}`] })).toBeUndefined()
  })
})
