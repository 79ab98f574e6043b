import type { Site } from '../backends/backend.ts'

/** What is bounded so elsewhere, in ms, on nodes that are so slow. */
export function boundOn({ slowness = 1 }: Pick<Site, 'slowness'>, ms: number): number {
  return ms * slowness
}
