import { join } from 'node:path'
import { checkImports } from './check-imports.ts'

const { files, violations } = await checkImports(join(import.meta.dirname, '..', '..'))
for (const violation of violations) console.error(violation)
console.error(`${files} files, ${violations.length} imports that go the wrong way`)
process.exitCode = violations.length > 0 || files === 0 ? 1 : 0
