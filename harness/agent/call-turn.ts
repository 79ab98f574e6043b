import { Turns } from './turns.ts'

/** A listener has so many places for handshakes of one address, and drops whoever comes beyond them: 64 with ours. */
const turns = new Turns(32)

/** Makes a call once fewer than these are on their way: for a site of hundreds of nodes one node may register, or mint for, all of them. */
export async function inTurn<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  const giveBack = await turns.take()
  try {
    return await call()
  } finally {
    giveBack()
  }
}
