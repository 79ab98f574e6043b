/**
 * Does things side by side, and fails with the first failure only when all of them have ended: what was still at work would go on
 * writing while somebody else has the store.
 */
export async function together<Result>(work: readonly Promise<Result>[]): Promise<Result[]> {
  const ended = await Promise.allSettled(work)
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  return Promise.all(work)
}
