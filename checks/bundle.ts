import { chmodSync, globSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'
import { bundled, bundledAgent, root } from './check.ts'

/**
 * Writes each service with all that it imports into a few files: `SERVICE.js`. Hundreds of files to find and to load are half of what a
 * start costs, and there are more than a thousand starts in a run.
 */
export async function bundleServices(folder: string): Promise<void> {
  const mains = globSync('services/*/main.ts', { cwd: root }).map((file) => [basename(dirname(file)), file])
  // A thread is started from a file that stands beside that of its service, and so is a program that a service ships with.
  const others = globSync('services/**/*-{thread,program}.ts', { cwd: root }).map((file) => [
    basename(file, '.ts'),
    file,
  ])
  await bundle(folder, Object.fromEntries([...mains, ...others]))
}

/** Writes the agent of nodes likewise, as `main.js`: on most grounds each node has one, and with what it enrols by it is 200 files. */
export async function bundleAgent(folder: string): Promise<void> {
  await bundle(folder, { main: 'harness/agent/main.ts' }, [whereItWas])
}

/** What stands beside a file, and is loaded into programs or started, is found from the bundle, too. */
const whereItWas: Plugin = {
  name: 'where it was',
  transform: (code, id) =>
    code.includes('import.meta.url')
      ? code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
      : undefined,
}

async function bundle(folder: string, input: Record<string, string>, plugins: Plugin[] = []): Promise<void> {
  const bundle = await rolldown({
    cwd: root,
    ...{ input, plugins },
    platform: 'node',
    external: /^node:/,
    logLevel: 'silent',
  })
  const { output } = await bundle.generate({ format: 'esm', entryFileNames: '[name].js', keepNames: true })
  await bundle.close()
  mkdirSync(folder, { recursive: true })
  // Units have users of their own, too: they pass by what else is there, which others cannot read.
  chmodSync(dirname(folder), 0o711)
  chmodSync(folder, 0o755)
  for (const file of output) {
    if (file.type !== 'chunk') throw new Error(`${file.fileName} is no module: nobody finds it in a bundle`)
    // Somebody may be reading what stands there.
    writeFileSync(join(folder, `${file.fileName}.new`), file.code)
    renameSync(join(folder, `${file.fileName}.new`), join(folder, file.fileName))
  }
  const written = new Set(output.map(({ fileName }) => fileName))
  for (const file of readdirSync(folder)) if (!written.has(file)) rmSync(join(folder, file))
}

if (import.meta.main) {
  await bundleServices(bundled)
  await bundleAgent(dirname(bundledAgent))
}
