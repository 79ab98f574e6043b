import { matrix } from 'holdfast/vitest'

await matrix('shared-auth')
