import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { writeProject } from './init.ts'

// Gateways of many stacks, each as its documentation has it and with single faults, as somebody meets the verdict who ran `holdfast init`.

interface Stack {
  readonly settings?: Readonly<Record<string, unknown>>
  /** By name: what its verdict may tell as causes, in its first lines, and nothing beside. */
  readonly wrong: Readonly<Record<string, { readonly causes: readonly string[] }>>
}

const root = join(import.meta.dirname, '..', '..')
const controls = join(root, 'fixtures', 'controls')
const program = join(controls, 'stack.mjs')
const stacks: Readonly<Record<string, Stack>> = JSON.parse(await readFile(join(controls, 'stacks.json'), 'utf8'))
const minutes = 60_000

async function run(cwd: string, ...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, argv, { cwd, maxBuffer: 64 << 20 }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

/** A lab for one version of a stack: what `holdfast init` writes, and the settings that a user of that stack adds. */
async function verdict(stack: string, version: string, ...options: string[]) {
  const scratch = join(root, '.holdfast', 'scratch')
  await mkdir(scratch, { recursive: true })
  const folder = await mkdtemp(join(scratch, `${stack}-`))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const command = `node ${program} run ${stack} ${version}`
  await writeProject(folder, { stack: 'none', run: command, request: 'GET /resource', scope: 'node:read' })
  // The scenario that it writes finds the package by that of the root.
  await rm(join(folder, 'package.json'))
  const lab = JSON.parse(await readFile(join(folder, 'lab.json'), 'utf8'))
  const { settings } = lab.nodes.gateway.units.gateway
  Object.assign(settings, { keys: 'file', ...stacks[stack]!.settings })
  await writeFile(join(folder, 'lab.json'), JSON.stringify(lab))
  const main = join(import.meta.dirname, 'main.ts')
  const told = await run(folder, main, 'test', './lab.json', ...options)
  const index = await readFile(join(folder, '.holdfast', 'last-test.md'), 'utf8').catch(() => '')
  return { ...told, causes: [...index.matchAll(/^## \d+\. (.+)$/gm)].map(([, cause]) => cause!) }
}

for (const [stack, { wrong }] of Object.entries(stacks)) {
  const built = await run(root, program, 'build', stack)
  if (built.code !== 0) throw new Error(`${stack} was not built: ${built.stderr}`)
  const lacking = built.stdout.trim()
  const title = (text: string) => (lacking === '' ? text : `${text} did not run: ${lacking}`)

  test.skipIf(lacking !== '')(
    title(`${stack} as it should be is green`),
    async () => {
      const start = performance.now()
      const { code, stdout, stderr, causes } = await verdict(stack, 'right', '--full')
      const seconds = Math.round((performance.now() - start) / 1000)

      expect(causes, stdout + stderr).toEqual([])
      expect(stdout).toMatch(/\d{3,} passed · 0 failed/)
      // For stacks.json, which docs/reference/controls.md is made from.
      console.log(`${stack}: ${/\d+ passed/.exec(stdout)}, ${seconds} s`)
      expect(code).toBe(0)
    },
    10 * minutes,
  )

  for (const [version, { causes: expected }] of Object.entries(wrong)) {
    test.skipIf(lacking !== '')(
      title(`${stack}, ${version}, is red for that alone`),
      async () => {
        const { code, stdout, causes } = await verdict(stack, version)

        expect(causes.toSorted(), stdout).toEqual(expected.toSorted())
        expect(stdout.split('\n').slice(0, 20).join('\n')).toContain(expected[0])
        expect(code).toBe(1)
      },
      10 * minutes,
    )
  }
}
