import type { ScriptedIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import type { Credential } from '../site/credential.ts'
import { sharedStandIn } from '../site/stand-in.ts'
import type { UntilOptions } from '../site/until.ts'
import type { Verdict } from '../site/verdict.ts'
import type { Lab } from './lab.ts'

/**
 * A scripted issuer in the place of the target's, honest again, and the target started anew so that it knows no other. It is the
 * same one for all attacks on the stage `scripted-issuer`.
 */
export async function standIn(lab: Lab): Promise<ScriptedIssuer> {
  // Made real while there is somebody who mints.
  await lab.good().presented()
  const { issuer, isNew } = await sharedStandIn(lab.site, lab.issuer, `${lab.target.node}/${lab.target.unit}`)
  if (isNew) await restart(lab)
  return issuer
}

/** Stops the target and starts it again: it forgets what it has learned. */
export async function restart({ site, target }: Lab): Promise<void> {
  await site.node(target.node).stop(target.unit)
  await site.node(target.node).start(target.unit)
}

interface Waiting extends Partial<UntilOptions> {
  credential?: Credential
  /** What must have come before that call: calls are what makes the target ask its issuer. */
  hasCome?: () => boolean
}

/** Waits until the target accepts a call. Within 5 s, unless it is said otherwise. */
export function acceptedOnce(
  lab: Lab,
  what: string,
  { credential = lab.good(), hasCome = () => true, withinMs = 5_000, everyMs = 50 }: Waiting = {},
): Promise<Verdict> {
  const probe = async () => {
    const isThere = hasCome()
    const verdict = await lab.call(credential)
    return verdict.verdict === 'accepted' && isThere && verdict
  }
  return lab.site.until(what, probe, { withinMs, everyMs })
}
