import { printPhase } from '../harness/cli/output.ts'
import { describeFailure } from '../harness/errors.ts'
import { ensureTools } from '../harness/toolchain/install.ts'
import { clockMissing } from '../harness/toolchain/libfaketime.ts'

// Building takes a minute or more: tests with limits of their own must not wait for it.
try {
  const onProgress = (line: string) => printPhase('working', 'toolchain', line)
  const plain = ['step-ca', 'step', 'nsc', 'nats-server'] as const
  await ensureTools(plain, { onProgress })
  // Tests and scenarios that move clocks say themselves why they do not run where clocks cannot be moved; names are everywhere.
  await ensureTools(clockMissing() === undefined ? plain : ['step', 'nsc'], { onProgress, overlay: true })
} catch (failure) {
  console.error(describeFailure(failure))
  process.exitCode = 1
}
