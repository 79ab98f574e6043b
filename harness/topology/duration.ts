const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** What a duration looks like: a whole number above zero and one unit, `10s`, `10m`, `2h`, `30d`. */
export const durationPattern = /^([1-9][0-9]{0,8})([smhd])$/

/** Seconds of a duration text: `10m` is 600. NaN when the text is no duration. */
export function durationSeconds(text: string): number {
  const [, count, unit] = durationPattern.exec(text) ?? []
  return Number(count) * seconds[unit as keyof typeof seconds]
}

/** The shortest duration text for a whole number of seconds: 600 is `10m`, 90 is `90s`. */
export function durationText(total: number): string {
  const unit = (['d', 'h', 'm'] as const).find((candidate) => total % seconds[candidate] === 0) ?? 's'
  return `${total / seconds[unit]}${unit}`
}
