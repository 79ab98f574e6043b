import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { loadTopology } from '../topology/load.ts'
import { writeProject } from './init.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-init-'))
})
afterEach(() => rm(folder, { recursive: true }))

const read = (file: string) => readFile(join(folder, file), 'utf8')

test('with a stack: a whole project, whose topology compiles', async () => {
  const { files, kept, next } = await writeProject(folder, { stack: 'express' })

  expect(files.map((file) => file.slice(folder.length + 1))).toEqual([
    'package.json',
    'README.md',
    '.gitignore',
    'lab.json',
    'scenarios/a-token-works-for-its-holder-only/README.md',
    'scenarios/a-token-works-for-its-holder-only/a-token-works-for-its-holder-only.scenario.ts',
    'gateway.mjs',
  ])
  expect({ kept, last: next.at(-1) }).toEqual({ kept: [], last: expect.stringContaining('npx holdfast test holder') })
  const { dependencies, devDependencies } = JSON.parse(await read('package.json'))
  expect({ ...dependencies, ...devDependencies }).toMatchObject({
    express: expect.stringMatching(/^\^5/),
    jose: expect.stringMatching(/^\^6/),
    holdfast: expect.stringMatching(/^\^/),
  })
  const plan = compile(await loadTopology('lab.json', { cwd: folder }))
  expect(plan.nodes.gateway!.units.find(({ kind }) => kind === 'exec')!.summary).toContain('node gateway.mjs')
})

test('for a gateway that is there: its command, its call, and what can be assumed', async () => {
  await writeFile(join(folder, 'package.json'), '{}')
  const { kept, next } = await writeProject(folder, {
    stack: 'none',
    run: './gateway -v',
    request: 'PUT /x',
    scope: 'x:put',
  })

  expect(kept).toEqual([join(folder, 'package.json')])
  expect(await read('package.json')).toBe('{}')
  expect(next).not.toContain('npm install')
  const lab = JSON.parse(await read('lab.json'))
  const { settings } = lab.nodes.gateway.units.gateway
  expect(settings).toEqual({ run: ['./gateway', '-v'], request: 'PUT /x', scope: 'x:put', observe: 'status' })
  expect(lab.credentials.courier.scope).toEqual(['x:put'])
  compile(await loadTopology('lab.json', { cwd: folder }))
  await expect(read('gateway.mjs')).rejects.toThrow('ENOENT')
})

test.each([
  [{ issuerRun: './idp --dev' }, { run: ['./idp', '--dev'] }],
  [
    { issuerUrl: 'https://idp.corp.test/realms/corp', issuerCa: 'corp.pem' },
    { url: 'https://idp.corp.test/realms/corp', ca: 'corp.pem', trust: './trust' },
  ],
])('an issuer of one’s own mints the tokens: %o', async (issuer, settings) => {
  const { next } = await writeProject(folder, { stack: 'express', ...issuer })
  const { auth } = JSON.parse(await read('lab.json')).nodes

  expect(auth.units.auth).toEqual({ kind: 'issuer', settings })
  expect(next.join('\n').includes('trust/clients.json')).toBe('issuerUrl' in issuer)
  const { credentials } = compile(await loadTopology('lab.json', { cwd: folder }))
  const iss = 'url' in settings ? settings.url : 'https://auth.lab.test:8443'
  expect(credentials.shop).toMatchObject({ kind: 'bound-token', issuer: 'auth', iss })
})

test('without a command it says what is left to write', async () => {
  const { next } = await writeProject(folder, { stack: 'none' })
  expect(next.join('\n')).toContain('write into lab.json how your gateway is started')
})

test('nothing is overwritten, and then nothing is written', async () => {
  await writeFile(join(folder, 'lab.json'), 'mine')

  await expect(writeProject(folder, { stack: 'express' })).rejects.toMatchObject({ code: 'HOLDFAST_FILES_IN_THE_WAY' })
  expect(await read('lab.json')).toBe('mine')
  await expect(read('gateway.mjs')).rejects.toThrow('ENOENT')
})
