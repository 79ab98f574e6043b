import { matrix } from 'holdfast/vitest'

// Certificates that outlive all of it.
await matrix('federation', { full: true, set: { leafSeconds: 900, overlapSeconds: 2 } })
