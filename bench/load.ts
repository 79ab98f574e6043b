import { quantile } from './measure.ts'

export interface LoadResult {
  perSecond: number
  p50: number
  p99: number
}

/** Runs `count` calls, `width` at a time. Any call that rejects ends the load: figures of failures are worth nothing. */
export async function load(
  call: () => Promise<void>,
  { count, width }: { count: number; width: number },
): Promise<LoadResult> {
  const ms: number[] = []
  let left = count
  const began = performance.now()
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const start = performance.now()
      await call()
      ms.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  const elapsed = performance.now() - began
  return { perSecond: (count / elapsed) * 1000, p50: quantile(ms, 0.5), p99: quantile(ms, 0.99) }
}
