import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { demand, run } from './stranger.ts'

const root = join(import.meta.dirname, '..', '..')
const guide = 'docs/guides/your-own-service.md'
const sources = /(?:<!-- source: (\S+) -->\n)?```(\w+)\n([\s\S]*?)\n```/g

/** Does what the guide says, in its order: commands are typed, and its pieces of source are put where it says. */
export async function followGuide(folder: string, tarball: string): Promise<void> {
  await mkdir(folder)
  const gateway = join(folder, 'gateway.mjs')
  let verdicts = ''
  for (const [, source = '', language, text = ''] of (await readFile(join(root, guide), 'utf8')).matchAll(sources)) {
    if (source.endsWith('first/gateway.mjs')) await writeFile(gateway, `${text}\n`)
    else if (source.endsWith('#compare')) await writeFile(gateway, withCompare(await readFile(gateway, 'utf8'), text))
    else if (language === 'sh') for (const line of text.split('\n')) verdicts += type(folder, line, tarball)
  }
  const red = 'gateway call lets in what it must refuse: the token is bound to another certificate'
  demand(verdicts.includes(`✗ ${red}`), `red at first: ${red}`)
  demand(verdicts.includes('proof     gateway: status alone; effects not observed'), 'the verdict names its proof')
  demand(/[1-9][0-9]+ passed · 0 failed · /.test(verdicts), 'the gateway as it is then passes')
}

/** `npx holdfast test ./lab.json   # fails` must do so. */
function type(folder: string, line: string, tarball: string): string {
  const [command = '', comment] = line.split(/\s+# /)
  // A word in quotes is one argument.
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
  const isInstall = words[0] === 'npm' && words[1] === 'install'
  const argv = isInstall
    ? [...words.map((word) => (word === 'holdfast' ? tarball : word)), '--prefer-offline', '--no-audit', '--no-fund']
    : words[0] === 'npx'
      ? ['npx', '--no-install', ...words.slice(1)]
      : words
  return run(folder, argv, comment === 'fails' ? 1 : 0)
}

/** Behind the line that verifies the token, with the import that the guide names. */
function withCompare(gateway: string, compare: string): string {
  const lines = gateway.split('\n')
  const verified = lines.findIndex((line) => line.includes('await jwtVerify('))
  demand(verified > 0, 'the gateway of the guide calls jwtVerify')
  const indented = compare.split('\n').map((line) => `    ${line}`)
  return ["import { createHash } from 'node:crypto'", ...lines.toSpliced(verified + 1, 0, ...indented)].join('\n')
}
