import { attacks } from 'holdfast/vitest'

await attacks('shared-auth', { families: ['gen'] })
