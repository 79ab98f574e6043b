import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import type { Plan } from '../topology/plan.ts'
import { forgetMutatedSite, MutatedSite } from './mutated-site.ts'

const running: ChildProcess[] = []
const folders: string[] = []
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  forgetMutatedSite()
})

const command = (service: string) => ({ program: { service }, args: [] })
const plan = {
  nodes: {
    a: {
      name: 'a',
      units: [
        { name: 'thing', service: { command: command('thing') }, steps: [] },
        { name: 'once', steps: [{ parallel: [[{ run: command('thing') }], []] }], start: 'on demand' },
        {
          name: 'other',
          service: { command: command('other') },
          steps: [{ run: { program: { tool: 'x' }, args: [] } }],
        },
      ],
    },
    b: { name: 'b', units: [] },
  },
} as unknown as Plan

let folder: string
let site: MutatedSite
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-mutated-'))
  folders.push(folder)
  mkdirSync(join(folder, 'services/thing'), { recursive: true })
  site = new MutatedSite(folder, plan, async () => {})
})

/** A program of the service at a place, once it has said a line. */
async function begin(place: string, script: string): Promise<{ child: ChildProcess; said: string }> {
  const path = join(folder, 'services/thing', `${crypto.randomUUID()}.mjs`)
  writeFileSync(path, script)
  const env = { PATH: process.env.PATH, ...site.environment()[place] }
  const child = spawn(process.execPath, [path], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(child)
  const [said] = await once(child.stdout!, 'data')
  return { child, said: String(said).trim() }
}

/** The same, to its end. */
async function runIn(place: string, script: string): Promise<string> {
  const { child, said } = await begin(place, script)
  if (child.exitCode === null) await once(child, 'exit')
  return said
}

const stays = "holdfastMutant(1); console.log('up'); setInterval(() => {}, 1_000)"

test('mutants are in all that runs the service: units, their steps, what is started on demand, and what is run beside them', () => {
  expect(Object.keys(site.environment())).toEqual(['a/thing', 'a/once', 'a/service:thing', 'b/service:thing'])
  const { NODE_OPTIONS, GIVEN } = site.environment({
    b: { NODE_OPTIONS: '--title=b' },
    'b/service:thing': { GIVEN: '1' },
  })['b/service:thing']!
  expect([NODE_OPTIONS, GIVEN]).toEqual([expect.stringMatching(/^--title=b --import /), '1'])
})

test('a program that was run beside the units counts for the mutant that was on meanwhile, and for no other', async () => {
  await begin('a/thing', stays)
  await site.switchTo(7)
  expect(await runIn('b/service:thing', 'console.log(holdfastMutant(7))')).toBe('true')
  expect(await runIn('a/once', "console.log(holdfastMutant(8)); holdfastRefusal('start.config', {})")).toBe('false')

  const meanwhile = await site.switchTo(0)
  expect([...meanwhile.reached].sort()).toEqual([7, 8])
  expect([...meanwhile.refused]).toEqual(['start.config'])
  expect((await site.switchTo(0)).reached).toEqual(new Set())
})

test('several at once at one place count all, and those that a program of the service runs itself', async () => {
  await begin('a/thing', stays)
  await site.switchTo(0)
  const inner = `holdfastMutant(5); console.log('in')`
  writeFileSync(join(folder, 'services/thing/inner.mjs'), inner)
  const outer = `
    holdfastMutant(4)
    const { execFileSync } = await import('node:child_process')
    console.log(execFileSync(process.execPath, [new URL('inner.mjs', import.meta.url).pathname]).toString())`
  await Promise.all([runIn('a/service:thing', outer), runIn('a/service:thing', "holdfastMutant(6); console.log('x')")])

  expect([...(await site.switchTo(0)).reached].sort()).toEqual([4, 5, 6])
})

test('one that goes on is switched with the others', async () => {
  await begin('a/thing', stays)
  const { child } = await begin('a/service:thing', 'console.log(1); setInterval(() => holdfastMutant(3), 5)')
  await site.switchTo(0)
  await expect.poll(async () => [...(await site.switchTo(0)).reached]).toEqual([3])
  child.kill('SIGKILL')
  await once(child, 'exit')
  await site.switchTo(0)

  expect((await site.switchTo(0)).reached).toEqual(new Set())
})

test('a unit that has ended is told, and is there again once it was started anew; others need not be there', async () => {
  const { child } = await begin('a/thing', stays)
  expect((await site.switchTo(0)).gone).toEqual(new Set())
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect((await site.switchTo(0)).gone).toEqual(new Set(['a/thing']))
  expect((await site.switchTo(0)).gone).toEqual(new Set(['a/thing']))
  await begin('a/thing', stays)

  const seen = await site.switchTo(0)
  expect([seen.gone, [...seen.reached]]).toEqual([new Set(), [1]])
})

test('what has ended leaves one file behind at most', async () => {
  await begin('a/thing', stays)
  for (const _ of [1, 2, 3]) {
    await runIn('a/service:thing', "console.log('x')")
    await runIn('a/service:thing', "console.log('x')")
    await site.switchTo(0)
  }
  const [own] = readdirSync(join(folder, 'sites'))
  expect(readdirSync(join(folder, 'sites', own!, 'a-service-thing'))).toHaveLength(1)
})
