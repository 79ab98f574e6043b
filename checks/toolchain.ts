import { printPhase } from '../harness/cli/output.ts'
import { describeFailure } from '../harness/errors.ts'
import { ensureTools } from '../harness/toolchain/install.ts'

// Building takes a minute or more: tests with limits of their own must not wait for it.
try {
  await ensureTools(['step-ca', 'step'], { onProgress: (line) => printPhase('working', 'toolchain', line) })
} catch (failure) {
  console.error(describeFailure(failure))
  process.exitCode = 1
}
