import type { ScriptedIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import type { Credential } from '../site/credential.ts'
import { sharedStandIn } from '../site/stand-in.ts'
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

/** Waits until the target accepts a call that began after something else had come: calls are what makes it ask the issuer. */
export function acceptedOnce(
  lab: Lab,
  what: string,
  credential: Credential = lab.good(),
  hasCome: () => boolean = () => true,
): Promise<boolean> {
  const probe = async () => {
    const isThere = hasCome()
    return (await lab.call(credential)).verdict === 'accepted' && isThere
  }
  return lab.site.until(what, probe, { withinMs: 5_000, everyMs: 50 })
}
