import { matrix } from 'holdfast/vitest'

await matrix('separate-auth')
