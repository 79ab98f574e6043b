import { mkdtempSync, writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Plan, Step } from '../../topology/plan.ts'
import { oneshot, planOf } from '../fixtures/plans.ts'
import { placesOf } from './addresses.ts'
import { Machines } from './machines.ts'
import { findProgram } from './programs.ts'
import { KnownTag } from './warm-code.ts'

/** Machines of a QEMU that ends at once: what each would have started from is in the folder of the run. */
async function startedFrom(plan: Plan, extra: Record<string, Record<string, string>>, programs: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-machines-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const nodes = Object.keys(plan.nodes)
  const dirs = Object.fromEntries(nodes.map((node) => [node, join(folder, 'nodes', node)]))
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ dirs, tools: {}, extra }))
  const record = {
    run: 'lab-00000a',
    topology: 'lab',
    backend: 'vm',
    pid: 1,
    startTime: '',
    evidence: join(folder, 'evidence'),
  }
  await using machines = new Machines(
    { plan, run: { record, folder }, places: placesOf(plan), programs },
    {
      qemu: '/bin/true',
      kernel: { image: '/x', modules: '/x' },
      initramfs: '/x',
      accelerator: { name: 'tcg', reason: '' },
      files: [],
      images: [],
      warm: '',
      tag: new KnownTag('none'),
    },
  )
  for (const node of nodes) await machines.start(node, {})
  const read = async (node: string) => [node, await readFile(join(folder, `drive-${node}`), 'latin1')] as const
  return Object.fromEntries(await Promise.all(nodes.map(read)))
}

const missing = findProgram('mke2fs') === undefined ? '(needs mke2fs)' : ''

test.skipIf(missing)(
  `a machine gets the files of the user's that are read on its own node, and none that are read on others alone ${missing}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-named-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const put = (name: string) => {
      writeFileSync(join(folder, name), `content of ${name};`, { mode: 0o600 })
      return join(folder, name)
    }
    const names = [
      'key-a',
      'key-b',
      'both',
      'for-a',
      'for-unit-of-a',
      'for-ab',
      'of-the-run',
      'signing-key',
      'handed',
      'mint-key',
      'anchor',
    ] as const
    const at = Object.fromEntries(names.map((name) => [name, put(name)])) as Record<(typeof names)[number], string>
    const reads = (...paths: string[]) =>
      oneshot('reads', [], [{ run: { program: { path: 'cat' }, args: paths.map((path) => `--key=${path}`) } }])
    const to = { path: '@{unit}/x', mode: '0600' }
    const tls = { ca: at.anchor, key: at['mint-key'] }
    // What is handed over is read by who hands it over: here a, whatever unit of another node says so.
    const handedOver: Step[] = [
      { receive: { from: 'a', source: { file: at.handed }, to } },
      {
        parallel: [
          [{ receive: { from: 'a', source: { mint: { method: 'POST', url: '', tls, expect: [] }, member: '' }, to } }],
        ],
      },
      {
        enrol: {
          credential: 'x',
          ca: 'a',
          url: '',
          anchor: at.anchor,
          subject: '',
          sans: [],
          lifetimeSeconds: 60,
          dir: '@{unit}',
          provisioner: { name: 'x', keyFile: at['signing-key'] },
        },
      },
    ]
    const plan = planOf({
      a: [reads(at['key-a'], at.both)],
      b: [reads(at['key-b'], at.both)],
      ab: [oneshot('receives', [], handedOver)],
    })
    const extra = { a: { X: at['for-a'] }, 'a/reads': { X: at['for-unit-of-a'] }, ab: { X: at['for-ab'] } }
    const drives = await startedFrom(plan, extra, [at['of-the-run']])

    const found = (node: string) => names.filter((name) => drives[node]!.includes(`content of ${name};`))
    expect(found('a')).toEqual([
      'key-a',
      'both',
      'for-a',
      'for-unit-of-a',
      'of-the-run',
      'signing-key',
      'handed',
      'mint-key',
      'anchor',
    ])
    expect(found('b')).toEqual(['key-b', 'both', 'of-the-run'])
    expect(found('ab')).toEqual(['for-ab', 'of-the-run', 'anchor'])
  },
)
