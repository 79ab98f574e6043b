import { execFile, execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DecisionRecord } from '../harness/evidence/decision.ts'
import type { SiteEvent } from '../harness/evidence/event.ts'
import { type HistoryLine, historyFile } from '../harness/evidence/history.ts'
import { root } from './documents.ts'

// The lines that the guide tells its reader to paste, run over a folder of evidence in the format that is written.
const guide = await readFile(join(root, 'docs/guides/read-the-evidence.md'), 'utf8')
const lines = [...guide.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'))
const hasJq = exists('jq')
let folder: string

function exists(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-evidence-'))
  const run = join(folder, '.holdfast', 'runs', 'lab-000000')
  await mkdir(run, { recursive: true })
  const at = '2026-01-01T00:00:00.000Z'
  const decision = {
    ...{ ts: at, seq: 7, node: 'a', unit: 'u', conn: '127.0.0.1:5', listener: 'l', requestId: '1', action: 'a:read' },
    ...{ verdict: 'refused', layer: 'http', status: 401, error: 'invalid_token', guard: 'token.issuer' },
    ...{ reason: 'issuer_untrusted', target: '/', principal: {}, ms: 1 },
  } as const satisfies DecisionRecord
  const event: SiteEvent = { at, node: 'a', event: 'unit-ready', unit: 'u', ms: 12 }
  const call = { from: 'b', to: 'a', verdict: 'refused', status: 401, reason: 'no', control: { credential: 'right' } }
  const history: HistoryLine[] = [
    { at, kind: 'event', event },
    { at, kind: 'decision', decision },
    { at, kind: 'call', call },
  ]
  await writeFile(join(run, historyFile), history.map((line) => `${JSON.stringify(line)}\n`).join(''))
  await writeFile(join(run, 'calls.jsonl'), `${JSON.stringify({ at, kind: 'call', call })}\n`)
})
afterAll(() => rm(folder, { recursive: true }))

async function pasted(line: string): Promise<string> {
  const env = { ...process.env, PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) }
  return (await promisify(execFile)('sh', ['-c', line], { cwd: folder, env })).stdout
}

test('the guide has lines for jq and one for Node', () => {
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['jq', 'jq', 'jq', 'jq', 'node'])
})

test.runIf(hasJq).each([
  [0, '"reason":"issuer_untrusted"'],
  [1, '"a",7,"127.0.0.1:5","token.issuer","issuer_untrusted"]'],
  [2, '["a","u",12]'],
  [3, '["b","a",401,"no","right"]'],
])(`line %d of the guide prints what it says${hasJq ? '' : ' [did not run: no jq on PATH]'}`, async (at, expected) => {
  const printed = (await pasted(lines[at] as string)).trim().split('\n')
  expect(printed).toHaveLength(1)
  expect(printed[0]).toContain(expected)
})

test('the line for Node prints the refusal', async () => {
  expect(await pasted(lines.at(-1) as string)).toBe('a 7 token.issuer issuer_untrusted\n')
})
