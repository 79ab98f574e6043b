import { join, relative } from 'node:path'
import { claimsOf, type Parts, partsOf } from './parts.ts'

const root = join(import.meta.dirname, '..')
const pages = join(root, 'docs', 'systems')

/** `docs/systems/<system>.md`: the parts of a system, which lie where they are used, in one place. */
export async function systemPage(system: string): Promise<string> {
  const claims = claimsOf(system)
  return [
    `# The system \`${system}\``,
    '',
    'Its parts, each where it lies. Generated from its scenarios and the topologies that they name: `npm run docs` writes it anew.',
    '',
    ...table(await partsOf(system)),
    `## ${claims.length} claims`,
    '',
    ...claims.map(({ title, readme }) => `- [${title}](${link(readme)})`),
    '',
  ].join('\n')
}

function table(parts: Parts): string[] {
  const rows = Object.entries(parts)
  if (rows.length === 0) return []
  const places = (paths: readonly string[]) => paths.map((path) => `[${path.split('/').at(-1)}](${link(path)})`)
  return [
    '| what | where |',
    '| --- | --- |',
    ...rows.map(([what, paths]) => `| ${what} | ${places(paths).join(' · ') || 'none'} |`),
    '',
  ]
}

function link(path: string): string {
  return relative(pages, join(root, path)).replaceAll('\\', '/')
}
