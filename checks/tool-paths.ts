import { ensureTools } from '../harness/toolchain/install.ts'
import type { ToolName } from '../harness/toolchain/tools.ts'

// Paths of real programs, as JSON on standard output, for tests of services: these import nothing from the harness. What is missing is built.

const tools = await ensureTools(process.argv.slice(2) as ToolName[], { onProgress: (line) => console.error(line) })
console.log(JSON.stringify(Object.fromEntries(tools.map(({ name, path }) => [name, path]))))
