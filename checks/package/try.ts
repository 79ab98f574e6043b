import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { followGuide } from './guide.ts'
import { useOwnVitest } from './own-vitest.ts'
import { demand, Failed, run } from './stranger.ts'

// Packs Holdfast, installs it into an empty folder as a stranger would, and uses it there; with `--whole` in all that vitest can do.
const root = join(import.meta.dirname, '..', '..')

const scenario = `import { expect, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')

test('a peer is accepted with its peer token, and refused with its node token', async ({ site, credential }) => {
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential('node-b'))).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'issuer_untrusted',
  })
})
`

/** Relative ones, without their headings: a stranger reads the README beside the package's own files. */
function readmeLinks(): string[] {
  const links = readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\(([^)\s#]+)/g)
  return [...links].map(([, link = '']) => link.replace(/\/$/, '')).filter((link) => !/^[a-z]+:/.test(link))
}

async function tryPackage(folder: string): Promise<void> {
  const packed = JSON.parse(run(root, ['npm', 'pack', '--json', '--silent', '--pack-destination', folder]))
  const [{ filename, files }] = packed as [{ filename: string; files: { path: string }[] }]
  const names = files.map(({ path }) => path)
  for (const needed of ['LICENSE', 'README.md', 'dist/harness/toolchain/go.mod', 'dist/harness/agent/main.js']) {
    demand(names.includes(needed), `${needed} is in the package`)
  }
  const unresolved = readmeLinks().filter((link) => !names.some((name) => name === link || name.startsWith(`${link}/`)))
  demand(unresolved.length === 0, `the README links to what is packed, but ${unresolved.join(', ')} is not`)
  const strays = names.filter((name) => /\.(test|soak)\.|\.pem$|\/testing[./]|\/fake-/.test(name))
  demand(strays.length === 0, `no test and no key is in the package, but ${strays.join(', ')} is`)

  const project = join(folder, 'project')
  await mkdir(join(project, 'scenarios', 'peering'), { recursive: true })
  await writeFile(join(project, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }\n')
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund']
  run(project, ['npm', 'install', ...quietly, '--save-dev', join(folder, filename)])

  const list = JSON.parse(run(project, ['npx', '--no-install', 'holdfast', 'list', '--json']))
  demand(JSON.stringify(list).includes('"separate-auth"'), 'holdfast list names separate-auth')
  run(project, ['npx', '--no-install', 'holdfast', 'check', 'separate-auth'])
  run(project, ['npx', '--no-install', 'holdfast', 'doctor'])

  await writeFile(join(project, 'scenarios', 'peering', 'peering.scenario.ts'), scenario)
  const verdict = JSON.parse(run(project, ['npx', '--no-install', 'holdfast', 'test', '--json']))
  demand(verdict.passed === 1 && verdict.failed === 0, 'the one scenario passes')

  await followGuide(join(folder, 'guide'), join(folder, filename))
  await useOwnVitest(join(folder, 'guide'), { whole: process.argv.includes('--whole') })
}

const folder = await mkdtemp(join(tmpdir(), 'holdfast-package-'))
try {
  await tryPackage(folder)
} catch (failure) {
  if (!(failure instanceof Failed)) throw failure
  console.error(failure.message)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
