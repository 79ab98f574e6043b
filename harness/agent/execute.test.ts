import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { execute } from './execute.ts'
import type { NodeContext } from './node-context.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-execute-'))
afterAll(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'teller.js'), 'console.log(process.env.ADDED, process.env.OF_NODE)')

test('a service that is run on a node gets what is added for it there, and for the node; another program, or node, does not', async () => {
  const extra = {
    one: { OF_NODE: 'node' },
    ...{ 'one/service:teller': { ADDED: 'service' }, 'one/node': { ADDED: 'a unit of this name' } },
    'two/service:teller': { ADDED: 'elsewhere' },
  }
  const settings = { run: 'run', environment: {}, extra, ownHosts: true, services: folder, dieWithParent: [] }
  const said = async (node: string, ...argv: string[]) => {
    const context = { dir: folder, node: { name: node, units: [] }, settings } as unknown as NodeContext
    return (await execute(context, { argv, timeoutMs: 10_000 })).stdout.trim()
  }

  expect(await said('one', 'service:teller')).toBe('service node')
  expect(await said('two', 'service:teller')).toBe('elsewhere undefined')
  expect(await said('three', 'service:teller')).toBe('undefined undefined')
  expect(await said('one', 'node', join(folder, 'teller.js'))).toBe('undefined node')
})
