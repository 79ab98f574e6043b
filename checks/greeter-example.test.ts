import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'vitest'
import lab from '../docs/guides/examples/greeter/lab.ts'
import { describeSite } from '../harness/cli/describe-site.ts'
import { backend, compile } from '../harness/shipped.ts'
import { loadTopology } from '../harness/topology/load.ts'
import { LoadedTopology } from '../harness/topology/loaded-topology.ts'
import type { TopologyDeclaration } from '../harness/topology/schema.ts'
import { expect, scenario } from '../harness/vitest.ts'

const file = '../docs/guides/examples/greeter/lab.ts'
const planned = async () => compile(await loadTopology(file, { cwd: import.meta.dirname }))
const shell = promisify(execFile)

test('the kind of the guide comes up, greets its friend, refuses the other one with its reason, and can be pasted', async () => {
  const evidence = await mkdtemp(join(tmpdir(), 'greeter-'))
  try {
    await using site = await backend('process').launch(await planned(), { evidence })
    const door = describeSite(site).nodes.find(({ name }) => name === 'door')!
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
}, 300_000)

const greet = scenario(file)

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
  expect(await site.call('alice', 'door', 'greeter:greet', friend.withoutCertificate())).toBeRefused({
    status: 403,
    error: 'access_denied',
    reason: 'cert_untrusted',
  })
  // #endregion
})

test('a friend that is no node is a mistake of the topology', () => {
  const topology = lab.instance({})
  const wrong: TopologyDeclaration = {
    ...topology,
    nodes: { ...topology.nodes, door: { ...topology.nodes.door!, units: unitsWith('carol') } },
  }

  const loaded = new LoadedTopology('lab', wrong, {}, { kinds: lab.kinds })
  expect(() => compile(loaded)).toThrow('nodes.door.units.greeter.settings.friends: names "carol", which is no node')
})

test('a kind of a topology of one of the names that Holdfast has is a mistake', () => {
  const twice = lab.kinds.map((kind) => ({ ...kind, name: 'step-ca' }))
  expect(() => compile(new LoadedTopology('lab', lab.instance({}), {}, { kinds: twice }))).toThrow(
    'kinds.step-ca: is the name',
  )
})

test('the plan says what the kind of a topology offers, so that nobody else has to know the kind', async () => {
  const unit = (await planned()).nodes.door!.units.find(({ kind }) => kind === 'greeter')!
  expect(unit).toMatchObject({
    service: {
      command: {
        program: { script: fileURLToPath(new URL('../docs/guides/examples/greeter/greeter.mjs', import.meta.url)) },
      },
    },
    actions: { 'greeter:greet': { listener: 'greetings' } },
    guards: { 'greeter.caller': ['cert_untrusted', 'not_a_friend'] },
  })
})

function unitsWith(friend: string) {
  return { greeter: { kind: 'greeter', settings: { certificate: 'cert-door', friends: [friend] } } }
}
