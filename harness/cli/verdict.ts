import { paint } from './output.ts'

export interface Tally {
  passed: number
  failed: number
  /** What this machine, or this backend, could not run: told apart from passed, with the reason. */
  didNotRun: readonly { name: string; reason: string }[]
}

/** `12 passed · 0 failed · 3 did not run (container: no Docker engine answers)`. Each reason stands once; `more` ends the line. */
export function verdictLine(
  { passed, failed, didNotRun }: Tally,
  more?: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  const reasons = [...new Set(didNotRun.map(({ reason }) => reason))]
  const parts = [
    paint(passed > 0 && failed === 0 ? 'green' : 'bold', `${passed} passed`, stream),
    failed > 0 ? paint('red', `${failed} failed`, stream) : `${failed} failed`,
    didNotRun.length > 0
      ? paint('yellow', `${didNotRun.length} did not run (${reasons.join('; ')})`, stream)
      : '0 did not run',
    ...(more === undefined ? [] : [more]),
  ]
  return parts.join(' · ')
}
