import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { apart } from '../topology/fixtures/apart.ts'
import { loadTopology } from '../topology/load.ts'
import type { Topology } from '../topology/schema.ts'
import { planText, startSteps } from './check.ts'
import { listText } from './list.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-check-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function holdfast(...args: string[]) {
  return holdfastIn({}, ...args)
}

async function holdfastIn(env: Record<string, string>, ...args: string[]) {
  const argv = ['--disable-warning=ExperimentalWarning', main, ...args]
  const child = spawn(process.execPath, argv, { cwd: folder, env: { ...process.env, ...env } })
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.on('exit', resolve)),
  ])
  return { stdout, stderr, code }
}

async function lab(name: string, change: (topology: Topology) => void): Promise<string> {
  const topology = structuredClone((await loadTopology('separate-auth')).value) as Topology
  change(topology)
  await writeFile(join(folder, name), JSON.stringify(topology))
  return name
}

test('list tells the topologies and their parameters', async () => {
  const [human, json] = await Promise.all([holdfast('list'), holdfast('list', '--json')])

  expect(human).toMatchObject({ code: 0, stderr: '' })
  expect(human.stdout).toMatch(/\nseparate-auth\n[\s\S]*orgs +2 +2 to 12[\s\S]*\nshared-auth\n/)
  expect(JSON.parse(json.stdout)).toMatchObject([
    { name: 'federation' },
    { name: 'nats-orchestrator' },
    { name: 'separate-auth', parameters: { orgs: { default: 2, min: 2, max: 12 } } },
    { name: 'shared-auth' },
    { name: 'transit' },
  ])
})

test('networks are told where they are declared: of each node, and what they are', () => {
  const text = planText(compile(apart()))

  expect(text).toMatch(/NODE +TRUST DOMAIN +HOST +NETWORKS, HOME FIRST\n.*\n.*\nca-a .* inside-a\n/)
  expect(text).toMatch(/\nnode-b .* outside, inside-b\n/)
  expect(text).toMatch(/\nNETWORK +WHAT IT IS\noutside +between the organisations\ninside-a *\ninside-b *\n/)
})

test('list tells the networks that a topology declares with its own defaults', () => {
  const packed = { summary: 'two of them', parameters: {}, base: { networks: { fed: {}, data: {} } } }

  expect(listText({ lab: packed })).toMatch(/^lab\n {2}two of them\n {2}networks: fed, data\n/)
  expect(listText({ lab: { ...packed, base: {} } })).not.toContain('networks')
})

test('check shows a good topology, as text, plan, picture and schema', async () => {
  const [human, json, mermaid, svg, schema] = await Promise.all([
    holdfast('check', 'separate-auth', '--set', 'orgs=3'),
    holdfast('check', 'shared-auth', '--json'),
    holdfast('check', 'shared-auth', '--picture', 'mermaid'),
    holdfast('check', 'shared-auth', '--picture', 'svg'),
    holdfast('check', '--schema'),
  ])

  expect(human).toMatchObject({ code: 0, stderr: '' })
  expect(human.stdout).toMatch(/9 nodes, 3 trust domains/)
  expect(human.stdout).toMatch(/node-c +peering:connect +peer-a-to-c +node-a +auth-c/)
  expect(JSON.parse(json.stdout)).toMatchObject({ format: 2, topology: 'shared-auth' })
  expect(mermaid.stdout).toMatch(/^flowchart LR\n/)
  expect(svg.stdout).toMatch(/^<svg /)
  expect(JSON.parse(schema.stdout)).toMatchObject({ title: 'Holdfast topology', type: 'object' })
})

test('check prints what must be refused, and for which reason', async () => {
  const [human, json, full, lacking] = await Promise.all([
    holdfast('check', 'separate-auth', '--matrix'),
    holdfast('check', 'separate-auth', '--matrix', '--json'),
    holdfast('check', 'separate-auth', '--full', '--json'),
    lab('lacking.json', (t) => t.accepts.shift()).then((file) => holdfast('check', file, '--matrix')),
  ])

  expect(human).toMatchObject({ code: 0, stderr: '' })
  expect(human.stdout).toMatch(/\nnode-a peering:connect\n.*\naccepted +1 +peer-b-to-a, over cert-node-b\n/)
  expect(human.stdout).toMatch(
    /refused 401 invalid_token +cnf_x5t_mismatch +token\.binding +\d+ +peer-b-to-a, over cert-/,
  )
  const { cells, classes } = JSON.parse(json.stdout)
  expect(classes.length).toBeLessThan(cells)
  expect(JSON.parse(full.stdout).classes).toHaveLength(cells)
  expect(lacking).toMatchObject({ code: 1, stdout: '' })
  expect(lacking.stderr).toMatch(/node-a node:read: accepts holds no .*credential = "node-a"/)
})

test('what compiles and cannot be meant is told below the topology, with exit code 1', async () => {
  const { code, stdout, stderr } = await holdfast('check', 'shared-auth', '--set', 'certificateLifetime=20s')

  expect(code).toBe(1)
  expect(stdout).toMatch(/^shared-auth /)
  expect(stderr).toMatch(/! preflight +time-left: cert-node-a \(credentials\.cert-node-a\) lives for 20 s/)
})

test.each<[string, (topology: Topology) => void, RegExp[]]>([
  ['type.json', (t) => Object.assign(t.nodes['node-a']!, { host: 7 }), [/nodes\.node-a\.host: must be a text, not 7/]],
  ['missing.json', (t) => Object.assign(t, { accepts: undefined }), [/accepts: is missing: write a list/]],
  [
    'unknown.json',
    (t) => Object.assign(t, { nodez: {} }),
    [/nodez: is no member that is known here; did you mean nodes\?/],
  ],
  [
    'many.json',
    (t) => {
      t.credentials['cert-node-a']!.issuer = 'ca-x'
      t.nodes['ca-a']!.units.ca!.kind = 'step'
      t.accepts[0]!.action = 'node:red'
    },
    [/issuer: node "ca-x" is not declared; did you mean "ca-a"\?/, /kind: "step" is no service kind/, /"node:read"\?/],
  ],
])('%s: every mistake is told once, with exit code 1 and no stack trace', async (name, change, expected) => {
  const file = await lab(name, change)
  const [human, json] = await Promise.all([holdfast('check', file), holdfast('check', file, '--json')])

  expect(human).toMatchObject({ code: 1, stdout: '' })
  for (const text of expected) expect(human.stderr).toMatch(text)
  expect(human.stderr).toContain('HOLDFAST_TOPOLOGY_INVALID')
  expect(human.stderr).not.toMatch(/ {4}at /)
  expect(json.code).toBe(1)
  expect(JSON.parse(json.stdout).mistakes).toHaveLength(expected.length)
})

test.each([
  [['check', 'nowhere'], 2, /there is no topology "nowhere"; shipped ones are .*separate-auth, shared-auth/],
  [['check', './nowhere.json'], 2, /there is no file .*nowhere\.json/],
  [['check', 'separate-auth', '--set', 'orgs=99'], 2, /orgs must be a whole number from 2 to 12, not "99"/],
  [['check'], 2, /missing required argument 'topology'/],
  [['check', 'shared-auth', '--picture', 'png'], 2, /Allowed choices are mermaid, svg/],
])('%j ends with code %d and one clear error', async (args, code, message) => {
  const { stderr, ...result } = await holdfast(...args)

  expect(result).toEqual({ code, stdout: '' })
  expect(stderr).toMatch(message)
  expect(stderr).not.toMatch(/ {4}at /)
})

test('a .nix file where there is no Nix is one clear error with a way out', async () => {
  await writeFile(join(folder, 'lab.nix'), '{ }')
  const { stderr, ...result } = await holdfastIn({ PATH: folder }, 'check', './lab.nix')

  expect(result).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/no nix-instantiate on PATH; install Nix, or write the topology as \.json or \.ts/)
})

test('units stand in the step in which they can start, and who is accepted stands below', async () => {
  const plan = compile(await loadTopology('separate-auth'))
  const steps = startSteps(plan)
  const stepOf = (ref: string) => steps.findIndex((refs) => refs.includes(ref))

  expect(steps[0]).toEqual(['ca-a/ca', 'ca-b/ca'])
  for (const { name, units } of Object.values(plan.nodes)) {
    for (const unit of units) {
      for (const after of unit.after)
        expect(stepOf(after), `${after} before ${unit.name}`).toBeLessThan(stepOf(`${name}/${unit.name}`))
    }
  }
  expect(planText(plan)).toMatch(/node-b +peering:connect +peer-a-to-b +node-a +auth-b/)
})
