import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const script = fileURLToPath(new URL('../../fixtures/controls/stack.mjs', import.meta.url))

/**
 * Builds the gateways of a stack that are not built yet. For the options of the scenario: what the machine lacks for that, and where the
 * programs of these nodes find what was built.
 */
export async function built(stack: string, nodes: readonly string[]) {
  const { stdout } = await promisify(execFile)(process.execPath, [script, 'build', stack])
  const { HOLDFAST_CACHE_DIR, XDG_CACHE_HOME } = process.env
  const cache = JSON.parse(JSON.stringify({ HOLDFAST_CACHE_DIR, XDG_CACHE_HOME })) as Record<string, string>
  return { lacking: stdout.trim() || undefined, env: Object.fromEntries(nodes.map((node) => [node, cache])) }
}
