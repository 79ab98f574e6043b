import { firstRefusal, type Guard, type Refusal } from '../../shared/guard.ts'
import { StartFailure } from '../../shared/start-failure.ts'

/** A start that a guard refuses: it is told in one line, and stands in the decision log. */
export class RefusedStart extends StartFailure {
  readonly guard: string

  constructor(guard: string, reason: string, message: string) {
    super(reason, message)
    this.name = 'RefusedStart'
    this.guard = guard
  }
}

/** What a guard of the start judges. A guard that refuses says why: the thing, the place and the way out, without a secret. */
export interface Judged {
  mistake?: string
}

/** Refuses, with what is to be told. */
export function mistaken(context: Judged, reason: string, mistake: string): Refusal {
  context.mistake = mistake
  return { reason, status: null }
}

/** Runs guards in order. @throws RefusedStart */
export async function refuseStart<Context extends Judged>(
  order: readonly Guard<Context>[],
  context: Context,
): Promise<void> {
  const found = await firstRefusal(order, context)
  if (found !== undefined) throw new RefusedStart(found.guard, found.refusal.reason, context.mistake ?? '')
}
