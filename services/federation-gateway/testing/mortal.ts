import type { Issuer } from '../enrolment/issuing.ts'
import type { Database, Session } from '../storage/database.ts'

// Not shipped: a process that ends at one of the points where it waits for somebody else. What it has asked for by then is done or not,
// as the other side sees it; it does nothing more, and says nothing more.

export class Killed extends Error {}

export class Process {
  /** Points that it has come to. */
  reached = 0
  readonly #diesAt: number

  /** `diesAt`: the point, from 1; none for one that lives. */
  constructor(diesAt = Number.POSITIVE_INFINITY) {
    this.#diesAt = diesAt
  }

  get isDead(): boolean {
    return this.reached >= this.#diesAt
  }

  /** Ends it here, or lets it go on. @throws Killed */
  point(): void {
    if (!this.isDead) this.reached += 1
    if (this.isDead) throw new Killed(`killed at point ${this.reached}`)
  }

  /** Before and after each statement, and each commit. */
  database(database: Database): Database {
    const mortal = (session: Session): Session => ({
      query: async (statement) => {
        this.point()
        const rows = await session.query<never>(statement)
        this.point()
        return rows
      },
    })
    const transaction: Database['transaction'] = async (work) => {
      this.point()
      const result = await database.transaction(async (session) => {
        const done = await work(mortal(session))
        this.point()
        return done
      })
      this.point()
      return result
    }
    return { ...mortal(database), transaction } as Database
  }

  /** Before the CA has got anything, and when it has answered. */
  issuer(issuer: Issuer): Issuer {
    return {
      ...issuer,
      ca: {
        isReady: () => issuer.ca.isReady(),
        sign: async (...given) => {
          this.point()
          const chain = await issuer.ca.sign(...given)
          this.point()
          return chain
        },
      },
    }
  }
}
