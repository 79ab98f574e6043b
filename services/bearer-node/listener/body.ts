import type { IncomingMessage } from 'node:http'

/** Why a body was not read to its end. `gone`: the caller went first. */
export type BodyProblem = 'large' | 'slow' | 'gone'

export interface BodyLimits {
  readonly bytes: number
  readonly ms: number
}

/** Reads a body to its end, within bounds. What is left of one that was not read ends with its connection. */
export function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer | BodyProblem> {
  if (Number(request.headers['content-length'] ?? 0) > limits.bytes) return Promise.resolve('large')
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (outcome: Buffer | BodyProblem): void => {
      clearTimeout(timer)
      request.off('data', take)
      if (!Buffer.isBuffer(outcome)) request.pause()
      resolve(outcome)
    }
    const take = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size > limits.bytes) settle('large')
    }
    const timer = setTimeout(() => settle('slow'), limits.ms)
    // It may have gone while the guards looked: then none of these events comes any more.
    if (request.destroyed && !request.readableEnded) return settle('gone')
    request.on('data', take)
    request.once('end', () => settle(Buffer.concat(chunks)))
    request.once('error', () => settle('gone'))
    request.once('close', () => settle('gone'))
  })
}

/** Whether there is one at all. */
export function hasBody({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers
  return encoding !== undefined || length !== '0'
}
