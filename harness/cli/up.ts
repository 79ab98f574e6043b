import type { Site } from '../backends/backend.ts'
import { describeFailure, HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { Plan } from '../topology/plan.ts'
import { describeSite, renderSite } from './describe-site.ts'
import { reportReady, type UpOptions } from './detach.ts'
import { isEvidenceGone } from './evidence-gone.ts'
import { exitCode } from './failure.ts'
import { aborted, Interrupted, interruptible } from './interruption.ts'
import { printJson, printNote, printPhase, printResult } from './output.ts'
import type { CredentialsToPaste } from './pasted-credentials.ts'
import { type Programs, withPrograms } from './pasted-programs.ts'
import { tellFiles } from './preflight.ts'
import { isEndedByDown } from './runs.ts'
import { standUp } from './stand-up.ts'

export async function up(topology: string, options: UpOptions): Promise<void> {
  let isDown = false
  let evidence: string | undefined
  const held = interruptible(async (signal) => {
    let tell: (event: SiteEvent) => void = () => {}
    let isWhole = true
    let programs: Programs = {}
    const findPrograms = async (plan: Plan) => {
      programs = await withPrograms(plan, { signal, onProgress: printNote })
      return programs
    }
    const onEvent = (event: SiteEvent) => tell(event)
    await using site = await standUp(topology, { ...options, signal, onEvent, findPrograms }).catch((failure) => {
      isWhole = false
      return keptSite(failure)
    })
    const toPaste = isWhole ? await credentialsToPaste(site) : undefined
    const description = describeSite(site, process.pid, programs, toPaste?.places)
    evidence = site.evidence
    if (options.background) reportReady(description)
    else if (options.json) printJson(description)
    else printResult(renderSite(description))
    if (isWhole) await tellFiles(site)
    tell = tellUnexpected
    await Promise.all([aborted(signal), toPaste?.keep(signal, tellStale)])
    tell = () => {}
    isDown = isEndedByDown(site.run)
    if (!options.background) printNote('releasing …')
  })
  await held.catch((failure: unknown) => {
    if (evidence !== undefined) isEvidenceGone(evidence)
    if (!isDown || !(failure instanceof Interrupted)) throw failure
    printNote('ended by holdfast down; everything that was started is released')
  })
}

/** With `--keep`, what came up before a unit failed is told and held as a whole site would be. */
function keptSite(failure: unknown): Site {
  const kept = (failure as { site?: Site }).site
  if (!(failure instanceof HoldfastError) || kept === undefined) throw failure
  printPhase('failed', 'kept', describeFailure(failure))
  process.exitCode = exitCode.failed
  return kept
}

/** Made once for whoever calls by hand, where a topology accepts what lies in no file; without them there are fewer calls to paste. */
async function credentialsToPaste(site: Site): Promise<CredentialsToPaste | undefined> {
  try {
    const { CredentialsToPaste } = await import('./pasted-credentials.ts')
    const made = await CredentialsToPaste.make(site)
    if (made.names.length === 0) return undefined
    printPhase('done', 'to paste', `${made.names.join(', ')}: a certificate each, made anew before it ends`)
    return made
  } catch (failure) {
    printPhase('note', 'to paste', `no certificates to call with: ${describeFailure(failure)}`)
    return undefined
  }
}

function tellStale(name: string, failure: Error): void {
  printPhase('note', 'to paste', `${name} was not made anew, which is tried again: ${describeFailure(failure)}`)
}

/** After it was ready, nothing should end by itself. */
function tellUnexpected(event: SiteEvent): void {
  if (event.event === 'unit-exited') {
    printPhase('note', 'exited', `${event.node}/${event.unit} ended (${event.signal ?? `code ${event.code}`})`)
  }
  if (event.event === 'agent-gone') printPhase('failed', 'gone', `the agent of ${event.node} ended`)
}
