import { describe, expect, test } from 'vitest'
import { admScope, type OfferedScope, readScope, sensitiveIn, teamsIn } from './document.ts'

const [T1, T2] = ['11111111-9c0b-4ef8-bb6d-6bb9bd380a11', '22222222-9c0b-4ef8-bb6d-6bb9bd380a11'] as const
const pathsOf = (value: unknown) => readScope(value).issues?.map(({ path }) => path)

describe('a scope document', () => {
  test('is read into its canonical form', () => {
    const filters = { tasks: { include_teams: [T2, T1], include_personal: false }, notes: { include_personal: true } }
    const offered = { resources: ['notes', 'tasks'], excluded_resources: ['users', 'credentials'], filters }
    expect(readScope(offered)).toEqual({
      scope: {
        resources: ['tasks', 'notes'],
        excluded_resources: ['credentials', 'users'],
        max_rows_per_query: 100,
        filters: { tasks: { include_teams: [T1, T2], include_personal: false } },
      },
      warnings: [],
    })
  })

  test('that names no team lends none, which is another thing than not to say', () => {
    const read = readScope({ resources: ['tasks'], filters: { tasks: { include_teams: [] } } })
    expect(read.scope?.filters).toEqual({ tasks: { include_teams: [] } })
  })

  test('that grants and excludes a resource is taken with a warning, and lends it not', () => {
    const read = readScope({ resources: ['tasks', 'credentials'], excluded_resources: ['credentials'] })
    expect(read.issues).toBeUndefined()
    expect(read.scope && { warnings: read.warnings, sensitive: sensitiveIn(read.scope) }).toEqual({
      warnings: ['credentials is granted and excluded: it is excluded'],
      sensitive: [],
    })
  })

  test.each<[unknown, string[]]>([
    [null, ['']],
    [[], ['']],
    ['{}', ['']],
    [{}, ['resources']],
    [{ resources: [] }, ['resources']],
    [{ resources: 'tasks' }, ['resources']],
    [{ resources: ['*'] }, ['resources.0']],
    [{ resources: ['Tasks'] }, ['resources.0']],
    [{ resources: ['tasks', 'tasks', 'notes', 'notes'] }, ['resources.1', 'resources.3']],
    [{ resources: Array(10_000).fill('x') }, ['resources']],
    [{ resources: ['tasks'], excluded_resources: ['secrets', 5] }, ['excluded_resources.0', 'excluded_resources.1']],
    [{ resources: ['tasks'], excluded_resources: ['notes', 'notes'] }, ['excluded_resources.1']],
    [{ resources: ['tasks'], max_rows_per_query: 0 }, ['max_rows_per_query']],
    [{ resources: ['tasks'], max_rows_per_query: -1 }, ['max_rows_per_query']],
    [{ resources: ['tasks'], max_rows_per_query: 1001 }, ['max_rows_per_query']],
    [{ resources: ['tasks'], max_rows_per_query: 1e9 }, ['max_rows_per_query']],
    [{ resources: ['tasks'], max_rows_per_query: 1.5 }, ['max_rows_per_query']],
    [{ resources: ['tasks'], max_rows_per_query: '100' }, ['max_rows_per_query']],
    [{ resources: ['tasks'], max_rows_per_query: null }, ['max_rows_per_query']],
    [{ resources: ['tasks'], one: 1, two: 2 }, ['one', 'two']],
    [JSON.parse('{"resources": ["tasks"], "__proto__": {"x": 1}}'), ['__proto__']],
    [JSON.parse('{"resources": ["tasks"], "filters": {"__proto__": {}}}'), ['filters.__proto__']],
    [{ resources: ['tasks'], filters: { notes: {} } }, ['filters.notes']],
    [{ resources: ['tasks'], filters: { '*': {} } }, ['filters.*']],
    [{ resources: ['tasks'], filters: { tasks: { owner: T1 } } }, ['filters.tasks.owner']],
    [{ resources: ['tasks'], filters: { tasks: { include_personal: 'no' } } }, ['filters.tasks.include_personal']],
    [{ resources: ['tasks'], filters: { tasks: { include_teams: T1 } } }, ['filters.tasks.include_teams']],
    [{ resources: ['tasks'], filters: { tasks: { include_teams: [T1, T1] } } }, ['filters.tasks.include_teams.1']],
    [{ resources: ['tasks'], filters: { tasks: { include_teams: ['*'] } } }, ['filters.tasks.include_teams.0']],
    [{ resources: ['x'], max_rows_per_query: 0, y: 1 }, ['resources.0', 'max_rows_per_query', 'y']],
  ])('is refused with a path for each mistake: %.70j', (value, paths) => {
    expect(pathsOf(value)?.toSorted()).toEqual(paths.toSorted())
  })
})

describe('adm.scope', () => {
  const judged = async (document: unknown, given: Partial<OfferedScope> = {}) => {
    const offered: OfferedScope = {
      document,
      allowSensitive: false,
      teamsOfTenant: async (ids) => new Set(ids.filter((id) => id === T1)),
      ...given,
    }
    const refusal = await admScope.check(offered)
    return { reason: refusal?.reason, status: refusal?.status, paths: offered.issues?.map(({ path }) => path) }
  }
  const passed = { reason: undefined, status: undefined, paths: [] }

  test('passes a scope whose teams are all of the tenant', async () => {
    expect(await judged({ resources: ['tasks'], filters: { tasks: { include_teams: [T1] } } })).toEqual(passed)
  })

  test('refuses with scope_invalid what is no scope', async () => {
    expect(await judged({ resources: ['*'] })).toEqual({ reason: 'scope_invalid', status: 422, paths: ['resources.0'] })
  })

  test('refuses with scope_team_unknown a team of another tenant', async () => {
    const document = { resources: ['tasks'], filters: { tasks: { include_teams: [T1, T2] } } }
    const paths = ['filters.tasks.include_teams']
    expect(await judged(document)).toEqual({ reason: 'scope_team_unknown', status: 422, paths })
    expect(await judged(document, { teamsOfTenant: async (ids) => new Set(ids) })).toEqual(passed)
  })

  test('refuses with scope_sensitive credentials that nobody has said yes to', async () => {
    const document = { resources: ['tasks', 'credentials'] }
    expect(await judged(document)).toEqual({ reason: 'scope_sensitive', status: 422, paths: ['resources.1'] })
    expect(await judged(document, { allowSensitive: true })).toEqual(passed)
    expect(await judged({ ...document, excluded_resources: ['credentials'] })).toEqual(passed)
  })
})

test('the teams of a scope are those of all its filters', () => {
  const filters = { tasks: { include_teams: [T1] }, notes: { include_teams: [T2, T1] } }
  const { scope } = readScope({ resources: ['tasks', 'notes'], filters })
  expect(teamsIn(scope!)).toEqual(new Set([T1, T2]))
})
