import { play } from './games.ts'
import { integerParam, putOut } from './stage-input.ts'

// Plays games against itself, from a start number, and puts out their records.

const [games, start] = [integerParam('GAMES'), integerParam('START')]
putOut({ games: Array.from({ length: games }, (_, at) => play(start + at)) })
