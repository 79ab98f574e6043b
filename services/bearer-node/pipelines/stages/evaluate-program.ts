import { createHash } from 'node:crypto'
import type { Table } from './games.ts'
import { outputOf, putOut } from './stage-input.ts'

// Compares two tables: for how many openings that both know the first player fares about as well in one as in the other.

interface Trained {
  readonly games: number
  readonly trained: Table
  readonly held: Table
}

const NEAR = 0.25

const { games, trained, held } = await outputOf<Trained>('train')
const common = Object.keys(trained).filter((opening) => Object.hasOwn(held, opening))
const alike = common.filter((opening) => Math.abs(scoreOf(trained[opening]!) - scoreOf(held[opening]!)) <= NEAR)
const digest = createHash('sha256').update(JSON.stringify({ trained, held })).digest('hex')
putOut({ games, openings: Object.keys(trained).length, common: common.length, alike: alike.length, digest })

/** From 0 to 1: a draw is half a win. */
function scoreOf([won, drawn, lost]: Table[string]): number {
  return (won + drawn / 2) / (won + drawn + lost)
}
