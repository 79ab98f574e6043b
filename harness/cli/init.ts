import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { demandGiven } from '../backends/given-files.ts'
import { HoldfastError } from '../errors.ts'
import { compile } from '../shipped.ts'
import { LoadedTopology } from '../topology/loaded-topology.ts'
import { packageFile } from '../topology/package-file.ts'
import { type LabOptions, labOf } from './init-lab.ts'
import { askWhatIsThere } from './init-questions.ts'
import { labelled, printJson, printResult } from './output.ts'

interface ProjectOptions extends LabOptions {
  stack: 'express' | 'none'
}

export async function init(folder: string, given: Partial<ProjectOptions> & { json?: boolean }): Promise<void> {
  const { json: _, ...declared } = given
  const isAsked = process.stdin.isTTY && process.stderr.isTTY && !given.json && Object.keys(declared).length === 0
  const options: ProjectOptions & { json?: boolean } = {
    stack: 'none',
    ...given,
    ...(isAsked && (await askWhatIsThere())),
  }
  const written = await writeProject(folder, options)
  if (options.json) return printJson(written)
  const kept = written.kept.map((file) => `kept       ${file}`)
  printResult([...labelled('written', written.files), ...kept, '', ...labelled('Next', written.next)].join('\n'))
}

const claim = 'scenarios/a-token-works-for-its-holder-only'
/** Those that a project has anyway: they stay as they are. */
const shared = ['package.json', 'README.md', '.gitignore']

/**
 * Writes a project that proves a gateway. Answers what was written, what was there and stayed as it was, and what to type then; paths as
 * the user would type them. @throws HoldfastError `HOLDFAST_FILES_IN_THE_WAY`, or what `holdfast check` says of the lab, before anything is
 * written
 */
export async function writeProject(folder: string, options: ProjectOptions) {
  const named = (list: readonly string[]) => list.map((file) => join(folder, file))
  const files = await projectFiles(folder, options)
  const found = [...files.keys()].filter((file) => existsSync(join(folder, file)))
  const inTheWay = found.filter((file) => !shared.includes(file))
  if (inTheWay.length > 0) {
    const message = `${named(inTheWay).join(', ')} is there already, so nothing was written; name another folder`
    throw new HoldfastError('HOLDFAST_FILES_IN_THE_WAY', message)
  }
  const written = [...files].filter(([file]) => !found.includes(file))
  for (const [file, text] of written) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), text, { flag: 'wx' })
  }
  return { files: named(written.map(([file]) => file)), kept: named(found), next: nextLines(folder, options, found) }
}

async function projectFiles(folder: string, options: ProjectOptions): Promise<Map<string, string>> {
  const files = new Map([
    ['package.json', json(await manifest(basename(resolve(folder)), options))],
    ['README.md', readme(options)],
    // Evidence of some 3 MB for each run.
    ['.gitignore', 'node_modules/\n.holdfast/\n'],
    ['lab.json', json(await topology(folder, options))],
    [`${claim}/README.md`, scenarioReadme],
    [`${claim}/${basename(claim)}.scenario.ts`, scenario],
  ])
  if (options.stack === 'express') files.set('gateway.mjs', await example('gateway.mjs'))
  return files
}

function nextLines(
  folder: string,
  { stack, run, image, url, issuerUrl }: ProjectOptions,
  found: readonly string[],
): string[] {
  const inside = relative('.', folder)
  return [
    ...(inside === '' ? [] : [`cd ${inside}`]),
    ...(found.includes('package.json') ? [] : ['npm install']),
    ...(stack === 'none' && (run ?? image ?? url) === undefined
      ? ['write into lab.json how your gateway is started: "run"']
      : []),
    ...(issuerUrl === undefined
      ? []
      : ['write into lab.json how your issuer reads trust-issuer/clients.json: "reload"']),
    'npx holdfast test ./lab.json      every call that could be tried, and the catalogue of attacks',
    'npx holdfast test holder          the scenario that was written for a beginning',
  ]
}

async function topology(folder: string, options: ProjectOptions): Promise<unknown> {
  const first = JSON.parse(await example('lab.json'))
  const { settings } = first.nodes.gateway.units.gateway
  const lab = labOf(first, folder, options)
  if (options.stack === 'express') lab.nodes.gateway.units.gateway!.settings = settings
  else if (options.scope !== undefined) {
    for (const token of [first.credentials.shop, first.credentials.courier]) token.scope = [options.scope]
  }
  await demandGiven(compile(new LoadedTopology('lab.json', lab, {}, { folder: resolve(folder) })))
  return lab
}

async function manifest(name: string, { stack }: ProjectOptions): Promise<unknown> {
  const own = JSON.parse(await readFile(await packageFile('package.json'), 'utf8'))
  const { express, jose } = { ...own.devDependencies, ...own.dependencies }
  return {
    name: name.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-') || 'gateway-lab',
    private: true,
    type: 'module',
    scripts: { test: 'holdfast test' },
    ...(stack === 'express' && { dependencies: { express: `^${express}`, jose: `^${jose}` } }),
    devDependencies: { holdfast: `^${own.version}`, vitest: own.peerDependencies.vitest },
  }
}

/** The files that the guide shows are those that a project begins with. */
async function example(name: string): Promise<string> {
  return readFile(await packageFile(`docs/guides/examples/gateway/${name}`), 'utf8')
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function readme({ stack }: ProjectOptions): string {
  const gateway = stack === 'express' ? '`gateway.mjs`' : 'your gateway'
  return `# A gateway, proven

\`lab.json\` declares a CA, an issuer, two apps with certificate-bound tokens (RFC 8705), and ${gateway}.

    npx holdfast check ./lab.json --matrix   # what it must refuse; starts nothing
    npx holdfast test ./lab.json             # tries all of it, and the catalogue of attacks
    npx holdfast test                        # the scenarios of this folder

The gateway is told by its environment where to listen and whom to believe: \`HOLDFAST_ADDRESS\`, \`HOLDFAST_PORT\`,
\`HOLDFAST_CERT\`, \`HOLDFAST_KEY\`, \`HOLDFAST_CA\`, \`HOLDFAST_ISSUER\`, \`HOLDFAST_JWKS\`, \`HOLDFAST_AUDIENCE\`.
`
}

const scenarioReadme = `# A token works for its holder only

- Claim: the token of one app is refused over the certificate of another one.
- Clause: RFC 8705 section 3: the thumbprint of the certificate must be that of the token.
- Without it an attacker gains: whoever sees a token can use it.
`

const scenario = `import { expect, scenario } from 'holdfast/vitest'

const test = scenario('../../lab.json')

test('the token of shop is refused over the certificate of courier', async ({ site, credential }) => {
  const shop = credential('shop')
  const stolen = shop.over(credential('cert-courier'))

  expect(await site.call('shop', 'gateway', 'call', shop)).toBeAccepted()
  // The gateway shows its status and no reason: that this is enough is said, and named in the verdict.
  expect(await site.call('shop', 'gateway', 'call', stolen)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'cnf_x5t_mismatch',
    proof: 'status alone',
  })
})
`
