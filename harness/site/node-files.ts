import type { ScenarioSite } from './scenario-site.ts'

type Sited = Pick<ScenarioSite, 'node'>

// What stands in files of a node, changed and put back, without leaving the node where that can be.

/** Runs a program on a node that must end well; answers what it wrote. */
export async function run(site: Sited, node: string, ...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await site.node(node).exec(argv)
  if (code !== 0) throw new Error(`${node}: ${argv.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}

/** Keeps files as they are now: content, mode and owner. Answers what puts them back. One program for all: there is much to keep, and to put back. */
export async function keep(site: Sited, node: string, ...paths: string[]): Promise<() => Promise<void>> {
  const folder = `kept/${crypto.randomUUID()}`
  const each = (copy: string) => `at=0; for path; do ${copy} || exit; at=$((at + 1)); done`
  await run(site, node, 'sh', '-c', `mkdir -p -m 700 "$0" && ${each('cp -a -- "$path" "$0/$at"')}`, folder, ...paths)
  return async () => {
    // In its place, so that whoever watches the file sees it.
    await run(site, node, 'sh', '-c', each('cp -a --remove-destination -- "$0/$at" "$path"'), folder, ...paths)
  }
}

/** Writes a file in place: 0600, where it is not there yet. */
export async function put(site: Sited, node: string, path: string, text: string): Promise<void> {
  const { code, stderr } = await site
    .node(node)
    .exec(['sh', '-c', 'umask 077; mkdir -p "${0%/*}"; cat > "$0"', path], { input: text })
  if (code !== 0) throw new Error(`${node}: ${path} was not written: ${stderr}`)
}

/** The same for a JSON file, of which members are others then. */
export async function putJson<Json>(site: Sited, node: string, path: string, change: (json: Json) => unknown) {
  const json = JSON.parse(await site.node(node).readFile(path)) as Json
  change(json)
  await put(site, node, path, JSON.stringify(json))
}
