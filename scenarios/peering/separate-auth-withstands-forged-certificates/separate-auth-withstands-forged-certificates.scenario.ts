import { attacks } from 'holdfast/vitest'

await attacks('separate-auth', { families: ['tls'] })
