import { vmBackend } from '../backends/vm/index.ts'
import { callsFromOutside } from './fixtures/calls-from-outside.ts'

// Where code is translated, six machines take minutes.
await callsFromOutside(vmBackend, 1_200_000)
