import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { bundleAgent, bundleServices } from './bundle.ts'
import { root } from './check.ts'
import { services } from './services.ts'

const run = promisify(execFile)

test('each service is one file that says what its source says, and nothing older stays beside it', async () => {
  await mkdir(join(root, '.holdfast'), { recursive: true })
  const above = await mkdtemp(join(root, '.holdfast', 'bundle-'))
  onTestFinished(() => rm(above, { recursive: true }))
  const folder = join(above, 'services')
  await mkdir(folder)
  await writeFile(join(folder, 'older.js'), '')
  await bundleServices(folder)

  const files = await readdir(folder)
  expect(files).toEqual(
    expect.arrayContaining([...services.map((name) => `${name}.js`), 'token-writer-thread.js', 'selfplay-program.js']),
  )
  expect(files).not.toContain('older.js')
  // For users of units, who may only pass through what is above.
  const modes = (await Promise.all([above, folder].map((path) => stat(path)))).map(({ mode }) => mode & 0o777)
  expect(modes).toEqual([0o711, 0o755])
  const said = async (main: string) => (await run(process.execPath, [main, '--help'])).stdout
  expect(await said(join(folder, 'auth-server.js'))).toBe(await said(join(root, 'services/auth-server/main.ts')))
})

test('the agent is one file that says what its source says, and finds what is loaded into programs where that stands', async () => {
  await mkdir(join(root, '.holdfast'), { recursive: true })
  const above = await mkdtemp(join(root, '.holdfast', 'bundle-'))
  onTestFinished(() => rm(above, { recursive: true }))
  const folder = join(above, 'agent')
  await bundleAgent(folder)

  const said = (main: string) => run(process.execPath, [main]).catch(({ code, stderr }) => ({ code, stderr }))
  const source = await said(join(root, 'harness/agent/main.ts'))
  expect(source).toMatchObject({ code: 2 })
  expect(await said(join(folder, 'main.js'))).toEqual(source)
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')))
  expect(texts.join()).toContain(JSON.stringify(pathToFileURL(join(root, 'harness/agent/command.ts')).href))
  expect(texts.join()).not.toContain('import.meta.url')
})
