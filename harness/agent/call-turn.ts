/** A listener has so many places for handshakes of one address, and drops whoever comes beyond them: 64 with ours. */
const AT_ONCE = 32

const waiting: (() => void)[] = []
let calling = 0

/** Makes a call once fewer than these are on their way: for a site of hundreds of nodes one node may register, or mint for, all of them. */
export async function inTurn<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  if (calling < AT_ONCE) calling += 1
  else await new Promise<void>((resolve) => waiting.push(resolve))
  try {
    return await call()
  } finally {
    const next = waiting.shift()
    if (next === undefined) calling -= 1
    else next()
  }
}
