import { startBaseline } from './baseline.ts'
import { poolOf, send } from './caller.ts'
import { askOf, type BenchAsker, benchAsker } from './federation/asker.ts'
import type { Bench } from './main.ts'
import { compare, interleave, type Measure, median } from './measure.ts'

const lenders = Array.from({ length: 16 }, (_, at) => `lender-${at + 1}.somebiz.local.io`)
const silent = 'silent.somebiz.local.io'
const rows = 50
/** As far away as another organisation may be. */
const afterMs = 50
const deadlineMs = 1_000
const asksARound = 3
const rounds = 5

export const bench: Bench = {
  summary:
    'a list of all of 16 lenders that are 50 ms away, against the slowest of them; and with one more that never answers',
  async run() {
    // Whoever never answers is asked each time.
    await using asker = await benchAsker({ outbound: { deadlineMs }, breaker: { failures: 100 } })
    const server = await asker.server([...lenders, silent])
    await using far = await startBaseline('distant-lenders', { ...server, lends: { rows, afterMs, silent } })
    const { token: user } = await asker.userWith(lenders, far.port)
    const { token: waiting } = await asker.userWith([...lenders.slice(1), silent], far.port)
    await using opened = new AsyncDisposableStack()
    const pool = opened.adopt(poolOf(asker.target, asker.caller, 1), (one) => one.destroy())
    const ask = asking(asker, pool)
    const all = () => ask(user, 'all', lenders.length)
    const besideSlowest = await interleave('list of all of 16 lenders', () => slowest(ask, user), all, {
      ...{ bar: { atMost: 2.5 }, rounds },
    })
    return [besideSlowest, await besideDeadline(all, () => ask(waiting, 'all', lenders.length - 1))]
  },
}

type Ask = (token: string, source: string, from: number) => Promise<number>

/** The median of some lists that hold the rows of so many lenders, in ms. */
function asking({ target }: BenchAsker, pool: ReturnType<typeof poolOf>): Ask {
  let limit = rows
  return async (token, source, from) => {
    const ms: number[] = []
    for (let at = 0; at < asksARound; at += 1) {
      limit += 1
      const began = performance.now()
      const { _sources } = JSON.parse(await send(pool, target, askOf(token, source, limit))) as Answer
      ms.push(performance.now() - began)
      const good = _sources.filter(({ source: name, state }) => name !== 'local' && state === 'ok')
      if (good.length !== from) throw new Error(`rows came from ${good.length} lenders, not from ${from}`)
    }
    return median(ms)
  }
}

interface Answer {
  readonly _sources: readonly { readonly source: string; readonly state: string }[]
}

/** Whoever is slowest today, asked alone. */
async function slowest(ask: Ask, token: string): Promise<number> {
  const ms: number[] = []
  for (const lender of lenders) ms.push(await ask(token, `federated:${lender}`, 1))
  return Math.max(...ms)
}

/** One that never answers in place of one that does: all are waited for at once, so it takes no longer than both together. */
async function besideDeadline(all: () => Promise<number>, waiting: () => Promise<number>): Promise<Measure> {
  const ms = { all: [] as number[], waiting: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    ms.all.push(await all())
    ms.waiting.push(await waiting())
  }
  return compare('list of all of 16 lenders, of which one is silent', median(ms.all) + deadlineMs, median(ms.waiting), {
    ...{ bar: { atMost: 1 }, rounds },
  })
}
