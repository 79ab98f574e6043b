import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { againIn } from './choose-scenarios.ts'
import { deriveScenarios } from './derived-scenarios.ts'
import { writeProject } from './init.ts'

let root: string
let lab: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-derived-'))
  vi.spyOn(process, 'cwd').mockReturnValue(root)
  await writeProject(root, { stack: 'express' })
  lab = join(root, 'lab.json')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(root, { recursive: true })
})

const derive = (filters: string[], scenarios: string[] = []) =>
  deriveScenarios({ filters, scenarios, set: {} }).then(({ files }) => files.map((file) => relative(root, file)))

const refuses = '.holdfast/derived/gateway-lab-refuses-the-rest/gateway-lab-refuses-the-rest.scenario.ts'
const withstands = '.holdfast/derived/gateway-lab-withstands-attacks/gateway-lab-withstands-attacks.scenario.ts'

test('the file of a topology is all that is needed: its matrix, and the attacks on the nodes of the user', async () => {
  expect(await derive([lab])).toEqual([refuses, withstands])
  expect(await readFile(join(root, refuses), 'utf8')).toContain('await matrix("../../../lab.json", ')
  expect(await readFile(join(root, withstands), 'utf8')).toContain('"targets":["gateway"]')
})

test('a derived file that broke as a whole is run again by what the user named; any other one by its path', async () => {
  await derive([lab])
  expect(againIn(join(root, withstands))).toBe(`npx holdfast test ${lab}`)
  const own = join(root, 'own.scenario.ts')
  await writeFile(own, 'await attacks("lab.json", {"again":"x"})\n')
  expect([againIn(own), againIn(''), againIn(join(root, `${withstands}.gone`))]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('what somebody wrote down is not made twice', async () => {
  await mkdir(join(root, 'own'))
  const own = join(root, 'own', 'own.scenario.ts')
  await writeFile(own, "await matrix('../lab.json')\n")

  expect(await derive([lab], [own])).toEqual([withstands])
})

test('a shipped topology that no scenario here knows is proven likewise', async () => {
  expect(await derive(['shared-auth'])).toHaveLength(2)
  const own = join(root, 'own.scenario.ts')
  await writeFile(own, "const test = scenario('shared-auth')\n")
  expect(await derive(['shared-auth'], [own])).toEqual([])
})

test('a service that is up already is asked by one file, for it serves one site at a time', async () => {
  const value = JSON.parse(await readFile(lab, 'utf8'))
  const { gateway } = value.nodes.gateway.units
  gateway.settings = { url: 'https://localhost:9443', trust: './trust' }
  await writeFile(lab, JSON.stringify(value))

  expect(await derive([lab])).toEqual([refuses])
  expect(await readFile(join(root, refuses), 'utf8')).toMatch(/await matrix\([\s\S]*await attacks\(/)
})

test('any other filter derives nothing', async () => {
  expect(await derive(['stolen', join(root, 'gateway.mjs.not'), 'x.scenario.ts'])).toEqual([])
})

test('a topology with a mistake is told before anything is written', async () => {
  await writeFile(lab, '{}')
  await expect(derive([lab])).rejects.toMatchObject({ code: 'HOLDFAST_TOPOLOGY_INVALID' })
})
