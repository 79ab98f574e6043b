import { matrix } from 'holdfast/vitest'

await matrix('bearer-cluster')
