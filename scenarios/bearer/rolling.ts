import { putFile, runOn, type ScenarioSite } from 'holdfast/vitest'
import { tokenFile } from './cluster.ts'

/** The steps of a roll on one node, as its operator types them. */
export async function roll(site: ScenarioSite, node: string, ...words: readonly string[]): Promise<void> {
  const { dir } = site.node(node)
  const argv = ['service:bearer-node', 'token', 'roll', ...words, '--token-file', `${dir}/${tokenFile}`]
  const { code, stderr } = await site.node(node).exec(argv)
  if (code !== 0) throw new Error(`${node}: token roll ${words.join(' ')} ended with ${code}: ${stderr}`)
}

/** Begins a roll to a token that lies in a file of its own there. */
export async function beginRoll(site: ScenarioSite, node: string, token: string): Promise<void> {
  const path = `${site.node(node).dir}/etc/holdfast/next.token`
  await putFile(site, node, path, `${token}\n`)
  await roll(site, node, 'begin', '--new-token-file', path)
}

/** Puts another token into a node’s file, as somebody would who copies the wrong one. */
export async function replaceToken(site: ScenarioSite, node: string, token: string): Promise<void> {
  const path = `${site.node(node).dir}/${tokenFile}`
  await putFile(site, node, `${path}.part`, `${token}\n`)
  await runOn(site, node, 'mv', `${path}.part`, path)
}
