import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { demand, Failed, run } from './stranger.ts'

const config = `import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globals: true,
    include: ['test/**/*.test.ts'],
    forceRerunTriggers: [...configDefaults.forceRerunTriggers, '**/lab.json', '**/gateway.mjs'],
    coverage: { include: ['src/**'], reporter: ['json-summary'] },
  },
})
`

const unit = `import { price } from '../src/price.ts'

test('three each', () => expect(price(2)).toBe(6))
`

const scenario = `import { expect, scenario } from 'holdfast/vitest'

const test = scenario('../lab.json')

test('the holder is let in', async ({ site, credential }) => {
  console.log('printed by a scenario')
  expect(await site.call('shop', 'gateway', 'call', credential('shop'))).toBeAccepted()
})

test('a thief is not', async ({ site, credential, task }) => {
  // More than the 5 s of vitest, in which no site need come up.
  expect(task.timeout).toBeGreaterThan(60_000)
  expect(await site.call('shop', 'gateway', 'call', credential('shop').over(credential('cert-auth')))).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'cnf_x5t_mismatch',
    proof: 'status alone',
  })
})
`

/**
 * Scenarios beside the unit tests of a project that has a vitest of its own, with the gateway and the lab that lie in the folder.
 * `whole`: coverage, names, shards and the watch mode, too, of which each stands up its sites.
 */
export async function useOwnVitest(folder: string, { whole }: { whole: boolean }): Promise<void> {
  await Promise.all([mkdir(join(folder, 'src')), mkdir(join(folder, 'test'))])
  await writeFile(join(folder, 'vitest.config.mjs'), config)
  await writeFile(join(folder, 'src', 'price.ts'), 'export const price = (count: number) => count * 3\n')
  await writeFile(join(folder, 'test', 'price.test.ts'), unit)
  await writeFile(join(folder, 'test', 'holder.test.ts'), scenario)
  const vitest = (...args: string[]) => run(folder, ['npx', '--no-install', 'vitest', ...args])

  const reporters = ['--reporter=default', '--reporter=junit', '--outputFile.junit=out/junit.xml']
  demand(vitest('run', ...reporters).includes('printed by a scenario'), 'what a scenario prints is seen')
  const junit = await readFile(join(folder, 'out', 'junit.xml'), 'utf8')
  demand(/<testsuites [^>]*tests="3" failures="0"/.test(junit), 'vitest writes JUnit of all three tests')
  if (whole) await useTheRest(folder, vitest)
  demand(
    run(folder, ['npx', '--no-install', 'holdfast', 'down']).includes('nothing is running'),
    'nothing is left running',
  )
}

async function useTheRest(folder: string, vitest: (...args: string[]) => string): Promise<void> {
  run(folder, ['npm', 'install', '--save-dev', '@vitest/coverage-v8', '--prefer-offline', '--no-audit', '--no-fund'])
  vitest('run', '--coverage')
  const covered = JSON.parse(await readFile(join(folder, 'coverage', 'coverage-summary.json'), 'utf8'))
  demand(covered.total.lines.pct === 100, 'coverage is that of the sources of the project')

  demand(
    /Tests .*1 passed.*2 skipped/.test(stripVTControlCharacters(vitest('run', '-t', 'a thief'))),
    'a name chooses one test',
  )
  const shards = ['1/2', '2/2'].map((shard) => stripVTControlCharacters(vitest('run', `--shard=${shard}`)))
  const passed = shards.map((text) => Number(/Tests +(\d) passed \(\d\)/.exec(text)?.[1]))
  demand(passed.toSorted().join() === '1,2', `each shard has one of the two files, seen: ${passed.join()}`)
  await watch(folder)
}

/** Runs anew when the declaration or the program changes, neither of which a test imports. */
async function watch(folder: string): Promise<void> {
  const env = { ...process.env, PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) }
  const child = spawn(join(folder, 'node_modules', '.bin', 'vitest'), ['--watch'], { cwd: folder, env })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stderr.resume()
  const passedTimes = async (times: number) => {
    const signal = AbortSignal.timeout(60_000)
    while (said.split('Waiting for file changes').length <= times) {
      await once(child.stdout, 'data', { signal }).catch(() => {
        throw new Failed(`expected: run ${times} of the watch mode ends within 60 s; it said\n${said}`)
      })
    }
  }
  try {
    await passedTimes(1)
    await appendFile(join(folder, 'lab.json'), '\n')
    await passedTimes(2)
    await appendFile(join(folder, 'gateway.mjs'), '\n')
    await passedTimes(3)
    demand(!stripVTControlCharacters(said).includes('failed'), 'each run of the watch mode passes')
  } finally {
    child.kill('SIGINT')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
}
