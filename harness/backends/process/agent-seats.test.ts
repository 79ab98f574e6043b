import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { settings } from '../../settings.ts'
import { conformanceOfSeats } from '../conformance.ts'
import { oneshot, planOf } from '../fixtures/plans.ts'
import { ground } from './fixtures/ground.ts'
import { processBackend } from './index.ts'

// A folder of runs of its own: sweeping here must not see the sites of other test files.
process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))
// The proof that a backend passes whose nodes have addresses which this machine has not.
process.env.HOLDFAST_SEATS = 'agent'
afterAll(() => rm(settings().runtimeDir, { recursive: true, force: true }))

conformanceOfSeats(ground)

test('a seat whose agent is gone says so', async () => {
  const evidence = join(settings().runtimeDir, 'evidence')
  await using site = await processBackend.launch(planOf({ one: [oneshot('nothing', [], [])] }), { evidence })
  const { seat, address } = site.node('one')
  process.kill(ground.agents(site).get('one') as number, 'SIGKILL')

  await expect
    .poll(() => seat.connect({ address, port: 1 }).catch((cause: { code: string }) => cause.code), { timeout: 5_000 })
    .toBe('HOLDFAST_SEAT_GONE')
})
