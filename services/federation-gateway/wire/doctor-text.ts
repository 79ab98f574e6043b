import { textTable } from '../../shared/text-table.ts'
import type { DoctorReport } from './doctor.ts'

/** For people: a row for each check, and what is to be done where something is. */
export function reportText({ tier, ok, checks }: DoctorReport): string {
  const rows = checks.map(({ status, id, ms, detail, remedy }) => {
    return [status, id, String(Math.round(ms)), remedy === null ? detail : `${detail}; ${remedy}`]
  })
  const counted = (wanted: string) => checks.filter(({ status }) => status === wanted).length
  const counts = (['ok', 'warn', 'fail', 'skip'] as const).map((status) => `${counted(status)} ${status}`).join(' · ')
  const head = `${ok ? 'nothing failed' : 'something failed'}, tier ${tier ?? 'not known'}: ${counts}`
  return `${textTable(['status', 'check', 'ms', 'what was found'], rows)}\n${head}`
}
