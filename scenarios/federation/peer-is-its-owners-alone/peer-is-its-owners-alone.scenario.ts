import { expect, scenario } from 'holdfast/vitest'
import { type Asking, lend, newUser } from '../asking.ts'
import { type AskingUser, federation, type Reply, type Source } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

/** All that can be asked of one source. */
const questions = (
  id: string,
  word: string,
): Record<string, (user: AskingUser, source: Source) => Promise<Reply<unknown>>> => ({
  list: (user, source) => user.list('tasks', { source }),
  get: (user, source) => user.getRow('tasks', id, { source }),
  search: (user, source) => user.search(word, { source }),
  capabilities: (user, source) => user.capabilities({ source }),
})

/** An answer but for the number of its request. */
const likeness = ({ status, body, error }: Reply<unknown>) => [status, body.replaceAll(error?.requestId ?? '\0', '-')]

test('nobody else asks by it, finds it, or has the lender hear of him', async ({ federation }) => {
  const alices = await lend(federation)
  const { user: bob, id: bobsId } = await newUser(federation)
  const seed = federation.seed('b')
  const [row] = seed.visible('alice', 'tasks')
  // Written down before it is answered.
  const heard = async () =>
    (await federation.site.decisions('gateway-b')).filter(({ principal }) => principal?.grantId === alices.grantId)

  for (const [verb, ask] of Object.entries(questions(row!, seed.markersOf([row!])[0]!))) {
    const asked = await ask(alices.user, alices.source)
    expect(asked.status, `${verb}, asked by its owner`).toBe(200)
    const before = (await heard()).length

    const refused = await ask(bob, alices.source)
    expect(refused.error?.code, `${verb}, asked by somebody else`).toBe('not_found')
    const [record] = await federation.decided(refused, 'a')
    expect(record).toMatchObject({
      guard: 'qry.source',
      reason: 'source_unknown',
      status: 404,
      principal: { userId: bobsId },
    })
    // As of a peer that nobody has.
    expect(likeness(refused), verb).toEqual(likeness(await ask(bob, 'federated:nobody.example')))
    expect(seed.markersIn(refused.body)).toEqual([])
    expect(await heard(), `${verb}: the lender heard nothing`).toHaveLength(before)
  }
})

test('asking everywhere, each gets what is lent to him and nothing of the other', async ({ federation }) => {
  const alices = await lend(federation)
  const bobs = await lend(federation, { subject: 'bob', scope: { resources: ['tasks'] } })
  const { user: carol } = await newUser(federation)
  const seed = federation.seed('b')
  const federated = async ({ user, source }: Pick<Asking, 'user' | 'source'>) => {
    const { items, _sources } = (await user.list('tasks', { source: 'all', limit: 1000 })).value
    return {
      ids: items
        .filter(({ _source }) => _source === source)
        .map(({ id }) => id)
        .sort(),
      sources: _sources.length,
    }
  }

  expect(await federated(alices)).toEqual({ ids: seed.visible('alice', 'tasks'), sources: 2 })
  expect(await federated(bobs)).toEqual({ ids: seed.visible('bob', 'tasks'), sources: 2 })
  expect(await federated({ user: carol, source: alices.source })).toEqual({ ids: [], sources: 1 })
})
