import { StartFailure } from '../../shared/start-failure.ts'
import { nodeName } from '../config.ts'
import { LogFiles, type LogPosition } from '../storage/audit/log-file.ts'
import type { AuditState } from '../storage/audit/writer.ts'
import { positionKey } from '../storage/audit/writer.ts'
import { setting } from '../storage/settings.ts'
import type { Examined } from './examined.ts'
import { type Finding, fail, notMade, ok, warn } from './finding.ts'

/** A row is there a second after its answer, and this is much more. */
const LAG_MS = 5_000
const LONG_LAG_MS = 60_000

/** Whether what was decided is in the audit. */
export async function auditLag(examined: Examined): Promise<Finding> {
  const { auditState } = examined.deps
  return auditState === undefined ? lagOfLog(examined) : lagOfWriter(auditState(), examined.now())
}

function lagOfWriter(state: AuditState, now: number): Finding {
  const { queued, failingSince, isBehind, dropped, refilled, rejected } = state
  const counts = `${queued} rows wait, ${dropped} were dropped, ${refilled} found again, ${rejected} refused`
  const remedy = 'see that the database takes rows, and its log'
  if (failingSince !== undefined && now - failingSince.getTime() > LAG_MS) {
    return fail(`nothing could be stored since ${failingSince.toISOString()}; ${counts}`, remedy)
  }
  if (rejected > 0) return warn(counts, 'see audit-row-rejected in the log of the gateway')
  return isBehind
    ? warn(`rows are being found again in the decision log; ${counts}`, 'wait, and look again')
    : ok(counts)
}

/** From outside: what the decision log has behind the place up to which its rows are stored. */
async function lagOfLog(examined: Examined): Promise<Finding> {
  const { configuration } = examined
  const { decisionLog, unit } = configuration!
  const noted = await setting<LogPosition>(examined.app, positionKey(`${nodeName(configuration!)}/${unit}`))
  let log: LogFiles
  try {
    log = new LogFiles(decisionLog, noted)
  } catch (cause) {
    if (cause instanceof StartFailure)
      return fail(cause.message, 'run this as the user of the gateway, who must read it')
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return notMade(`${decisionLog} is not there before the first start`)
    return fail(`${decisionLog} cannot be read (${code})`, 'run this as the user of the gateway')
  }
  using opened = log
  const { from, end: to } = opened
  for await (const [first] of opened.rows({ from, to, atOnce: 1 })) {
    const ms = examined.now() - Date.parse(first!.at)
    const text = `decisions since ${first!.at} are not known to be in the audit (${to - from} bytes of ${decisionLog})`
    const remedy =
      'see that the gateway runs and that the database takes rows: what is missing is brought in at its start'
    if (ms > LONG_LAG_MS) return fail(text, remedy)
    return ms > LAG_MS ? warn(text, remedy) : ok('the last rows are on their way')
  }
  return ok('every decision is in the audit')
}
