import { countInto, type Game } from './games.ts'
import { outputOf, putOut } from './stage-input.ts'

// Counts game records into a table; those of the second half into one of their own, to compare with.

const { games } = await outputOf<{ games: readonly Game[] }>('selfplay')
const half = Math.ceil(games.length / 2)
putOut({ games: games.length, trained: countInto(games.slice(0, half)), held: countInto(games.slice(half)) })
