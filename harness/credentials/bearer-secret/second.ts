import { setTimeout as pause } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'
import { NotIssued } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { PlanBearerSecret } from './planned.ts'
import { refOf } from './ref.ts'
import { rollsOf } from './rolls.ts'

/** Files that were replaced are read within this time. */
const readWithinMs = 5_000

/** A holder has not taken up in time what it was told. Code `HOLDFAST_SECRET_NOT_TAKEN`. */
class NotTaken extends HoldfastError {
  constructor(node: string, ref: string, isWanted: boolean, last: unknown) {
    const what = isWanted ? 'does not accept' : 'still accepts'
    const answer = JSON.stringify(last)?.slice(0, 300)
    super('HOLDFAST_SECRET_NOT_TAKEN', `${node} ${what} the secret ${ref} that it was told of; it answered ${answer}`)
  }
}

/** Has every holder that can be told so accept one more secret. Only one can be told at a time: what was told before has ended then. */
export async function tellSecond(secret: string, planned: PlanBearerSecret, site: LiveSite): Promise<void> {
  site.learn(secret)
  await tellAll('second', secret, planned, site)
}

/** Has every one of them forget it again. */
export async function endSecond(secret: string, planned: PlanBearerSecret, site: LiveSite): Promise<void> {
  await tellAll('alone', secret, planned, site)
}

async function tellAll(what: 'second' | 'alone', secret: string, planned: PlanBearerSecret, site: LiveSite) {
  const told = rollsOf(planned, site.plan).map(async ({ node, accepts, ...units }) => {
    const { code, stderr } = await site.run(node, units[what], secret)
    if (code !== 0) throw new NotIssued(planned.name, `have ${node} ${what}`, code, stderr)
    const deadline = performance.now() + site.bound(readWithinMs)
    for (;;) {
      const { json } = await site.callFrom(node, accepts)
      const isAccepted = JSON.stringify(json).includes(`"${refOf(secret)}"`)
      if (isAccepted === (what === 'second')) return
      if (performance.now() > deadline) throw new NotTaken(node, refOf(secret), what === 'second', json)
      await pause(50)
    }
  })
  await Promise.all(told)
}
