/** Whether a code is the system's (`ENOSPC`), and not that of a failure of our own, which has a way out already. */
export function isSystems(code: string | undefined): code is string {
  return code !== undefined && /^E[A-Z0-9]+$/.test(code)
}

/** Out of what the system says to a write. */
export function wayOutOfWrite(code: string): string {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code) ? 'free some space' : 'see that this user can write there'
}
