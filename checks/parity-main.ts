import { parseArgs } from 'node:util'
import { standardBackend } from '../harness/settings.ts'
import { run, script } from './check.ts'
import { otherGround, parityCheck, parityHolds } from './parity.ts'

// `npm run parity -- stolen`: the parity set of scenarios with that in their path, on both grounds, one after the other. With
// `--on vm`, the other ground is that backend.
const { values, positionals: filters } = parseArgs({ options: { on: { type: 'string' } }, allowPositionals: true })
const ground = await otherGround(values.on)
// Scenarios of a check start the services so.
await run({ name: 'Each service can be one file', argv: script('checks/bundle.ts') })
const here = await run(parityCheck({ name: standardBackend, env: { HOLDFAST_BACKEND: standardBackend } }, filters))
const there = await run(parityCheck(ground, filters))
const held = parityHolds([here], there, ground)
for (const { name, reason } of held.skipped) console.log(`skipped  ${name} (${reason})`)
console.log(held.output)
for (const { name, ms, cpu = [] } of [here, there]) {
  const seconds = cpu.reduce((sum, one) => sum + one.seconds, 0)
  console.log(`${name}: ${(ms / 1000).toFixed(0)} s, of the processors ${seconds.toFixed(0)} s`)
}
if ([here, there, held].some(({ failed }) => failed.length > 0)) process.exitCode = 1
