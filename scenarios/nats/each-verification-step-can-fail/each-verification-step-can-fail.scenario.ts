import { expect, scenario, verifyPlanted } from 'holdfast/vitest'
import { natsOrchestrator } from '../verification.ts'

const { steps, defects } = natsOrchestrator
// One site for all of them: on a ground on which it takes minutes, its certificates are to outlive it.
const test = scenario('nats-orchestrator', { own: true, set: { certificateLifetime: '1h' } })

test.for(defects.map((defect) => [defect.what, defect.step, defect] as const))(
  '%s: %s',
  async ([, step, defect], { site }) => {
    const { red, marker, problems } = await verifyPlanted(steps, defect, site)

    expect(Object.keys(red)).toEqual([step])
    expect(marker).toBeUndefined()
    expect(problems).toEqual([])
  },
)
