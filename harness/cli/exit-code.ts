/** What the command line answers to its caller. */
export const exitCode = {
  /** Nothing failed. */
  ok: 0,
  /** Something failed, or could not be done. */
  failed: 1,
  /** The command line itself was wrong. */
  usage: 2,
  /** A shell's convention: 128 and the number of SIGINT. */
  interrupted: 130,
} as const
