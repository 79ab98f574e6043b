import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { vi } from 'vitest'
import { describeSite } from '../harness/cli/describe-site.ts'
import { callParts, credentialKinds } from '../harness/shipped.ts'
import { CellCredentials } from '../harness/site/cell-credentials.ts'
import { acceptanceProblems, refusalProblems } from '../harness/site/judge.ts'
import { markJudged } from '../harness/site/judging.ts'
import { siteFiles, sitePreflight } from '../harness/site/live-site.ts'
import { cellCaller } from '../harness/trust/cell.ts'
import { deriveMatrix } from '../harness/trust/matrix.ts'
import { expect, matrix, scenario } from '../harness/vitest.ts'

// Sites of their own, one after the other.
vi.setConfig({ testTimeout: 300_000 })

const file = '../docs/guides/examples/clubhouse/lab.ts'
const shell = promisify(execFile)

// Each state is tried, not one of those that are refused alike.
await matrix(file, { full: true })

const enter = scenario(file)

enter(
  'the clubhouse of the guide opens for every holder of its secret, and for nobody else',
  async ({ site, credential }) => {
    // #region scenario
    const secret = credential('secret-of-north')
    const wrong = { status: 401, error: 'invalid_token', reason: 'secret_wrong' } as const

    expect(await site.call('alice', 'north', 'clubhouse:enter', secret)).toBeAccepted()
    expect(await site.call('bob', 'north', 'clubhouse:enter', secret)).toBeAccepted()
    expect(await site.call('bob', 'north', 'clubhouse:enter', secret.without('secret'))).toBeRefused({
      status: 401,
      reason: 'secret_missing',
    })
    const longer = secret.with('secret', (own) => `${own}0`, 'with more behind it')
    expect(await site.call('alice', 'north', 'clubhouse:enter', longer)).toBeRefused(wrong)
    expect(await site.call('carol', 'south', 'clubhouse:enter', credential('secret-of-south'))).toBeAccepted()
    // #endregion
  },
)

enter('all holders have the same secret, each in the place and with the mode that is declared', async ({ site }) => {
  const { read } = siteFiles(site.site)
  const held = await Promise.all(['alice', 'bob', 'north'].map((node) => read(node, '@{dir}/club/secret')))
  expect(new Set(held).size).toBe(1)
  expect(held[0]).toMatch(/^[0-9a-f]{64}$/)
  expect(await sitePreflight(site.site, credentialKinds)).toEqual([])
})

enter('what up prints is pasted into a shell, by either holder, and no secret stands in it', async ({ site }) => {
  const north = describeSite(site.site).nodes.find(({ name }) => name === 'north')!
  const calls = north.calls.filter(({ summary }) => summary.includes('secret-of-north'))

  expect(calls.map(({ summary }) => summary)).toEqual([
    'clubhouse:enter as alice, with secret-of-north',
    'clubhouse:enter as bob, with secret-of-north',
  ])
  for (const { command } of calls) {
    expect(command).not.toMatch(/[0-9a-f]{64}/)
    expect((await shell('sh', ['-c', command])).stdout).toBe('{"open":true}\n200\n')
  }
  expect(calls[1]!.command).toContain('/bob/club/secret')
})

const byPrefix = scenario('fixtures/clubhouse-by-prefix.ts')

byPrefix('a clubhouse that compares the beginning alone turns red where only the end is wrong', async ({ site }) => {
  const { live } = await callParts()
  const { plan } = site.site
  const credentials = new CellCredentials(site.site, live)
  const deviating: string[] = []
  for (const { representative: cell } of deriveMatrix(plan, credentialKinds, { full: true }).classes) {
    const verdict = await site.call(cellCaller(cell, plan), cell.target, cell.action, credentials.of(cell))
    markJudged(verdict)
    const { expected } = cell
    const problems =
      expected.verdict === 'accepted'
        ? acceptanceProblems(verdict)
        : refusalProblems(verdict, {
            ...expected,
            status: expected.status ?? undefined,
            error: expected.error ?? undefined,
          })
    if (problems.length > 0) deviating.push(`${cell.target}: ${cell.name}: ${problems[0]}`)
  }
  const opened = 'the caller got what the action promises'
  expect(deviating).toEqual([
    `north: secret-of-north, with another character in the middle: ${opened}`,
    `north: secret-of-north, with another last character: ${opened}`,
    `north: secret-of-north, without its last character: ${opened}`,
    `north: secret-of-north, with more behind it: ${opened}`,
  ])
})
