import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { HoldfastError } from '../errors.ts'
import { packageFile } from '../topology/package-file.ts'
import { labelled, printJson, printResult } from './output.ts'

interface ProjectOptions {
  stack: 'express' | 'none'
  /** How the user's gateway is started, as typed. */
  run?: string
  /** `GET /orders`. */
  request?: string
  scope?: string
  /** How the user's own OAuth server is started; or its identifier, with the file of the root of its certificate. */
  issuerRun?: string
  issuerUrl?: string
  issuerCa?: string
}

export async function init(folder: string, options: ProjectOptions & { json?: boolean }): Promise<void> {
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
 * the user would type them. @throws HoldfastError `HOLDFAST_FILES_IN_THE_WAY`, before anything is written
 */
export async function writeProject(folder: string, options: ProjectOptions) {
  const named = (list: readonly string[]) => list.map((file) => join(folder, file))
  const files = await projectFiles(basename(resolve(folder)), options)
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

async function projectFiles(name: string, options: ProjectOptions): Promise<Map<string, string>> {
  const files = new Map([
    ['package.json', json(await manifest(name, options))],
    ['README.md', readme(options)],
    // Evidence of some 3 MB for each run.
    ['.gitignore', 'node_modules/\n.holdfast/\n'],
    ['lab.json', json(await topology(options))],
    [`${claim}/README.md`, scenarioReadme],
    [`${claim}/${basename(claim)}.scenario.ts`, scenario],
  ])
  if (options.stack === 'express') files.set('gateway.mjs', await example('gateway.mjs'))
  return files
}

function nextLines(folder: string, { stack, run, issuerUrl }: ProjectOptions, found: readonly string[]): string[] {
  const inside = relative('.', folder)
  return [
    ...(inside === '' ? [] : [`cd ${inside}`]),
    ...(found.includes('package.json') ? [] : ['npm install']),
    ...(stack === 'none' && run === undefined ? ['write into lab.json how your gateway is started: "run"'] : []),
    ...(issuerUrl === undefined ? [] : ['write into lab.json how your issuer reads trust/clients.json: "reload"']),
    'npx holdfast test ./lab.json      every call that could be tried, and the catalogue of attacks',
    'npx holdfast test holder          the scenario that was written for a beginning',
  ]
}

async function topology(options: ProjectOptions): Promise<unknown> {
  const { stack, run, request, scope } = options
  const lab = JSON.parse(await example('lab.json'))
  const { settings } = lab.nodes.gateway.units.gateway
  if (stack === 'none') {
    const command = run === undefined ? ['./my-gateway'] : words(run)
    Object.assign(settings, { run: command, request: request ?? 'GET /', scope })
    for (const token of [lab.credentials.shop, lab.credentials.courier])
      token.scope = scope === undefined ? undefined : [scope]
    // Who cannot resolve the issuer's name reads its keys from the file.
    if (command[0] !== 'node') delete settings.keys
  }
  const issuer = issuerOf(options)
  if (issuer !== undefined) {
    const { auth } = lab.nodes
    auth.units = { auth: { kind: 'issuer', settings: issuer } }
    delete lab.credentials.operator
    if (issuer.url !== undefined) delete lab.credentials['cert-auth']
  }
  return lab
}

/** Of a server that is up, the clients and the CA of each run are handed to a folder, since it cannot know them. */
function issuerOf({ issuerRun, issuerUrl, issuerCa }: ProjectOptions) {
  if (issuerRun !== undefined) return { run: words(issuerRun) }
  if (issuerUrl === undefined) return undefined
  return { url: issuerUrl, ca: issuerCa ?? '/etc/ssl/certs/ca-certificates.crt', trust: './trust' }
}

function words(command: string): string[] {
  return command.split(' ').filter(Boolean)
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

\`lab.json\` declares a CA, an auth server, two apps with certificate-bound tokens (RFC 8705), and ${gateway}.

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
