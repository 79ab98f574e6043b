import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'vitest'
import { greeter } from '../docs/guides/examples/greeter/index.ts'
import lab from '../docs/guides/examples/greeter/lab.ts'
import { backend } from '../harness/backends/index.ts'
import { describeSite } from '../harness/cli/describe-site.ts'
import { stepCa } from '../harness/kinds/step-ca/index.ts'
import { compile } from '../harness/topology/compile.ts'
import type { ServiceKind } from '../harness/topology/kind.ts'
import { scenarioOn } from '../harness/vitest/scenario.ts'
import { expect } from '../harness/vitest.ts'

// The guide tells its reader to add the kind to the index; here it is handed over, so that the shipped index stays as it is.
const kinds = new Map([stepCa as ServiceKind, greeter as ServiceKind].map((kind) => [kind.name, kind]))
const shell = promisify(execFile)

test('the kind of the guide comes up, greets its friend, refuses the other one with its reason, and can be pasted', async () => {
  const evidence = await mkdtemp(join(tmpdir(), 'greeter-'))
  try {
    await using site = await backend('process').launch(compile(lab.instance({}), { kinds }), { evidence })
    const door = describeSite(site, kinds).nodes.find(({ name }) => name === 'door')!
    const asAlice = door.calls.find(({ summary }) => summary.includes('cert-alice'))!.command
    const asBob = asAlice.replaceAll('/nodes/alice/', '/nodes/bob/').replaceAll('cert-alice', 'cert-bob')

    expect((await shell('sh', ['-c', asAlice])).stdout).toBe('{"greeting":"hello alice.lab.test"}\n200\n')
    expect((await shell('sh', ['-c', asBob])).stdout).toBe('{"error":"access_denied"}\n403\n')
    expect(await site.node('door').decisions()).toMatchObject([
      { verdict: 'accepted', reason: null, principal: { san: 'alice.lab.test' } },
      { verdict: 'refused', reason: 'not_a_friend', guard: 'greeter.caller', principal: { san: 'bob.lab.test' } },
    ])
  } finally {
    await rm(evidence, { recursive: true, force: true })
  }
}, 60_000)

// Launches the same topology as `scenario('./lab.ts')` would with the kind in the index.
const greet = scenarioOn({}, async () => ({
  backend: backend('process'),
  kinds: (name) => kinds.get(name),
  keep: false,
  plan: async () => compile(lab.instance({}), { kinds }),
}))

greet('a greeter greets its friend, and nobody else', async ({ site, credential }) => {
  // #region scenario
  const friend = credential('cert-alice')
  const stranger = friend.over(credential('cert-bob'))

  expect(await site.call('alice', 'door', 'greeter:greet', friend)).toBeAccepted()
  expect(await site.call('alice', 'door', 'greeter:greet', stranger)).toBeRefused({
    status: 403,
    error: 'access_denied',
    reason: 'not_a_friend',
  })
  // #endregion
})

test('a friend that is no node is a mistake of the topology', () => {
  const topology = lab.instance({})
  const wrong = {
    ...topology,
    nodes: { ...topology.nodes, door: { ...topology.nodes.door!, units: unitsWith('carol') } },
  }

  expect(() => compile(wrong, { kinds })).toThrow('names "carol", which is no node')
})

function unitsWith(friend: string) {
  return { greeter: { kind: 'greeter', settings: { certificate: 'cert-door', friends: [friend] } } }
}
