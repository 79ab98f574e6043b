/** Tic-tac-toe between two players that move at random: small, and it has a result. */

const LINES = [
  [0, 1, 2],
  [3, 4, 5],
  [6, 7, 8],
  [0, 3, 6],
  [1, 4, 7],
  [2, 5, 8],
  [0, 4, 8],
  [2, 4, 6],
] as const

export type Result = 'first' | 'second' | 'draw'

/** Squares (0 to 8) in the order of play, and who won. */
export interface Game {
  readonly moves: string
  readonly result: Result
}

/** The game that follows from a number: equal numbers make equal games, on every machine. */
export function play(number: number): Game {
  const random = mulberry32(number)
  const board = Array<string>(9).fill(' ')
  let moves = ''
  for (let turn = 0; turn < 9; turn += 1) {
    const free = [...board.keys()].filter((square) => board[square] === ' ')
    const square = free[Math.floor(random() * free.length)]!
    const player = turn % 2 === 0 ? 'x' : 'o'
    board[square] = player
    moves += String(square)
    if (LINES.some((line) => line.every((one) => board[one] === player))) {
      return { moves, result: player === 'x' ? 'first' : 'second' }
    }
  }
  return { moves, result: 'draw' }
}

/** Tommy Ettinger's generator of 32 bits: from 0 to below 1. */
function mulberry32(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** By the first two moves: how many games the first player won, drew and lost. */
export type Table = Readonly<Record<string, readonly [won: number, drawn: number, lost: number]>>

export function countInto(games: readonly Game[]): Table {
  const table: Record<string, [number, number, number]> = {}
  for (const { moves, result } of games) {
    const opening = moves.slice(0, 2)
    table[opening] ??= [0, 0, 0]
    table[opening][result === 'first' ? 0 : result === 'draw' ? 1 : 2] += 1
  }
  return Object.fromEntries(Object.entries(table).sort(([one], [other]) => (one < other ? -1 : 1)))
}
