import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { complaints, hasSystemd } from './systemd-units.ts'

/** Tests of the units of a service that uses what an intake took over, and of that intake. */
export function testIntakeUnits(folder: string, { service, intake }: { service: string; intake: string }): void {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')

  test('the service starts after what takes its credentials over, which starts again with each new manifest', () => {
    expect(read(`${service}.service`)).toMatch(new RegExp(`^Requires=${intake}\\.service$`, 'm'))
    expect(read(`${service}.service`)).toMatch(new RegExp(`^After=.*\\b${intake}\\.service$`, 'm'))
    const starts = new RegExp(`^PathChanged=.*/manifest\\.json\nUnit=${intake}\\.service$`, 'm')
    expect(read(`${intake}.path`)).toMatch(starts)
  })

  test.runIf(hasSystemd)('systemd understands every line of them', () => {
    expect(complaints(folder, { beside: [] })).toEqual([])
    const planted = { [`${intake}.path`]: '[Path]\nPathHasOtherCredentials=/nowhere\n' }
    expect(complaints(folder, { beside: [], planted }).join()).toContain('PathHasOtherCredentials')
  })
}
