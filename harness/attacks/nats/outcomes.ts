import { inWords } from '../outcome.ts'

/** The login is refused, and the connection ends. */
export const nAv = inWords('N-AV', 'Authorization Violation')
/** Who is in may not do that, and stays in. */
export const denied = inWords('P', 'Permissions Violation')
