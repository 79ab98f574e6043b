import { matrix } from 'holdfast/vitest'

await matrix('transit')
