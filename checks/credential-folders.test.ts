import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './documents.ts'

// A credential kind is a folder and a few lines, where it is listed. Older kinds are built upon by service kinds of the harness; this one
// is not but by service kinds that take it, so that each line that names it is one that any further kind would need.

const naming = /bearer-?secret|SecretSummary|\bsecret\?:|'secret'[,\]].*as const/i
/** Attacks have that word for what bearers must not leave behind. */
const others = /^harness\/(attacks\/|shipped-families\.ts)|\.(test|soak)\.ts$/

test('outside of its folder a credential kind is named in the three lists that it stands in, and nowhere else', async () => {
  const touched: Record<string, number> = {}
  for await (const file of glob('harness/**/*.ts', { cwd: root })) {
    // Service kinds are written for the credentials that they take.
    if (others.test(file) || /^harness\/(credentials\/bearer-secret|kinds)\//.test(file)) continue
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    const count = lines.filter((line) => naming.test(line)).length
    if (count > 0) touched[file] = count
  }
  expect(touched).toEqual({
    // Its import and its entry, in each.
    'harness/shipped.ts': 2,
    'harness/credentials/secrets.ts': 2,
    // A new part: its import, where it is presented, where it lies, what is shown of it, and that it is a text.
    'harness/credentials/parts.ts': 5,
  })
})
