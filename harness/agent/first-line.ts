import type { Duplex } from 'node:stream'

const LONGEST = 4_096

/** The first line of a stream, as JSON; what follows stays in it. Rejects where the stream ends before. */
export async function firstLine(stream: Duplex): Promise<unknown> {
  let line = ''
  for (;;) {
    const chunk = stream.read() as Buffer | null
    if (chunk === null) {
      await untilMore(stream)
      continue
    }
    const end = chunk.indexOf('\n')
    line += chunk.toString('utf8', 0, end < 0 ? undefined : end)
    if (line.length > LONGEST) throw new Error(`a first line of more than ${LONGEST} characters`)
    if (end < 0) continue
    if (end + 1 < chunk.length) stream.unshift(chunk.subarray(end + 1))
    return JSON.parse(line)
  }
}

function untilMore(stream: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = () => done(() => reject(new Error('it ended before its first line')))
    const more = () => done(resolve)
    const done = (settle: () => void) => {
      stream.off('readable', more)
      for (const event of ['end', 'close']) stream.off(event, over)
      settle()
    }
    stream.on('readable', more)
    for (const event of ['end', 'close']) stream.on(event, over)
    if (stream.destroyed || stream.readableEnded) over()
  })
}
