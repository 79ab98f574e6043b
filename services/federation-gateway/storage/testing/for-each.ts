import { afterAll, beforeAll, beforeEach } from 'vitest'
import { type Cluster, startCluster, type TestDatabase } from './cluster.ts'

/** Starts a PostgreSQL for the tests of a file, and hands each of them a migrated database of its own, which is gone with it. */
export function databaseForEach(begin: (database: TestDatabase) => unknown): void {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  }, 120_000)
  beforeEach(async () => {
    const database = await cluster.database()
    await begin(database)
    return () => database[Symbol.asyncDispose]()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())
}

/** So many as the races of these tests are run by. */
export const MANY = 12

/** The same work that often, all at once. */
export function many<Result>(work: (at: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: MANY }, (_, at) => work(at)))
}
