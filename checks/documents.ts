import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** The root of the repository. */
export const root = resolve(import.meta.dirname, '..')

/** All Markdown files of the repository, relative to its root, also those that are not committed yet. */
export function documents(): string[] {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: root,
    encoding: 'utf8',
  })
  return list.split('\n').filter((file) => file !== '' && existsSync(join(root, file)))
}

/**
 * A fenced block below a comment: `<!-- source: FILE#REGION -->` (or `FILE` for all of it) says that the block is that text,
 * `<!-- excerpt: FILE -->` that the file holds the block as it stands.
 */
export interface Example {
  document: string
  line: number
  kind: 'source' | 'excerpt'
  source: string
  text: string
}

export function examplesOf(document: string): Example[] {
  const text = readFileSync(join(root, document), 'utf8')
  const blocks = text.matchAll(/<!-- (source|excerpt): (\S+) -->\n+```\w*\n([\s\S]*?)\n```/g)
  return [...blocks].map((block) => ({
    document,
    line: text.slice(0, block.index).split('\n').length,
    kind: block[1] as Example['kind'],
    source: block[2]!,
    text: block[3]!,
  }))
}

/**
 * What a source names: a whole file, or the lines between `#region NAME` and `#endregion` without their common indentation.
 * `undefined` when there is no such file or region.
 */
export function regionOf(source: string): string | undefined {
  const [file = '', region] = source.split('#')
  const path = join(root, file)
  if (!existsSync(path)) return undefined
  const text = readFileSync(path, 'utf8')
  if (region === undefined) return text.trimEnd()
  const lines = text.split('\n')
  const start = lines.findIndex((line) => new RegExp(`#region ${region}\\s*$`).test(line))
  if (start < 0) return undefined
  const length = lines.slice(start + 1).findIndex((line) => line.includes('#endregion'))
  if (length < 0) return undefined
  const body = lines.slice(start + 1, start + 1 + length)
  const indent = Math.min(
    ...body.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length),
  )
  return body.map((line) => line.slice(indent)).join('\n')
}

/** Relative links of a document that lead nowhere: to no file, or to no heading of a Markdown file. */
export function brokenLinksOf(document: string): string[] {
  const text = withoutCode(readFileSync(join(root, document), 'utf8'))
  const links = [...text.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g), ...text.matchAll(/<img[^>]+src="([^"]+)"/g)]
  return links.map((link) => link[1]!).filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(document, link))
}

function leadsSomewhere(document: string, link: string): boolean {
  const [path = '', heading] = link.split('#')
  const target = path === '' ? join(root, document) : join(root, dirname(document), decodeURI(path))
  if (!existsSync(target)) return false
  if (heading === undefined || statSync(target).isDirectory() || !target.endsWith('.md')) return true
  return headingsOf(readFileSync(target, 'utf8')).includes(heading)
}

/** Anchors of the headings, as Markdown viewers make them. */
function headingsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#{1,6}\s+(.+)$/gm)].map((heading) =>
    heading[1]!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  )
}

function withoutCode(text: string): string {
  return text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '))
}
