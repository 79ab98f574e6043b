import { join } from 'node:path'
import { testIntakeUnits } from '../shared/testing/intake-units.ts'

testIntakeUnits(join(import.meta.dirname, 'templates'), { service: 'orchestrator', intake: 'creds-intake' })
