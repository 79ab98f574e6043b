import { glob, readFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { importsOf } from './imports-of.ts'
import { type Rule, rules } from './rules.ts'

/** An import that goes the wrong way, as one line for people. */
export type Violation = string

export interface Checked {
  files: number
  violations: Violation[]
}

/** Checks every TypeScript and JavaScript file below the folders that the rules name. */
export async function checkImports(root: string): Promise<Checked> {
  const folders = [...new Set(rules.map(({ folder }) => folder.split('/')[0]))]
  const checked: Checked = { files: 0, violations: [] }
  for await (const found of glob(`{${folders.join(',')}}/**/*.{ts,mjs}`, {
    cwd: root,
    exclude: ['**/node_modules/**'],
  })) {
    const file = found.replaceAll('\\', '/')
    const rule = ruleFor(file)
    if (rule === undefined) continue
    checked.files++
    for (const { specifier, line } of importsOf(file, await readFile(join(root, file), 'utf8'))) {
      if (isAllowed(file, specifier, rule)) continue
      checked.violations.push(`${file}:${line} imports ${specifier}: ${rule.because}`)
    }
  }
  return checked
}

/** A test, or what only tests import. */
function isTest(file: string): boolean {
  return /\.(test|soak)\.ts$/.test(file) || /\/(testing|fixtures)\//.test(file)
}

/** The first rule that is about the file; `*` in its folder is one name, filled in for the rest of the rule. */
function ruleFor(file: string): Rule | undefined {
  for (const rule of rules) {
    const parts = rule.folder.split('/').slice(0, -1)
    const own = file.split('/').slice(0, parts.length)
    if (own.length < parts.length || file.split('/').length === parts.length) continue
    if (rule.exceptTests && isTest(file)) continue
    if (!parts.every((part, index) => part === '*' || part === own[index])) continue
    const folder = `${own.join('/')}/`
    return { ...rule, folder, may: rule.may.map((allowed) => (allowed === rule.folder ? folder : allowed)) }
  }
  return undefined
}

function isAllowed(file: string, specifier: string, rule: Rule): boolean {
  if (specifier.startsWith('.')) {
    const target = posix.join(dirname(file), specifier)
    const within = (folders: readonly string[] = []) => folders.some((folder) => `${target}/`.startsWith(folder))
    return within(rule.may) && rule.handed?.test(target) !== true
  }
  if (rule.packages === undefined) return specifier !== 'import(…)' || file.startsWith('harness/')
  return rule.packages.some((name) => specifier === name || (/[:/]$/.test(name) && specifier.startsWith(name)))
}
