import { expect, test } from 'vitest'
import type { ExecOptions, SiteNode } from '../backends/backend.ts'
import { withShell } from './shell.ts'

function nodeThat(ends: { code: number | null; stdout?: string; stderr?: string }) {
  const asked: [readonly string[], ExecOptions | undefined][] = []
  class Node {
    readonly #name = 'node-a'
    get name(): string {
      return this.#name
    }
    async exec(argv: readonly string[], options?: ExecOptions) {
      asked.push([argv, options])
      return { signal: null, stdout: '', stderr: '', ...ends }
    }
  }
  return { asked, node: withShell(new Node() as unknown as SiteNode) }
}

test('what is typed runs on the node: quoted, with its input, and nothing runs here', async () => {
  const { asked, node } = nodeThat({ code: 0, stdout: 'hello\n' })
  const { stdout } = await node.$({ input: 'given' })`cat ${"it's; rm -rf /"} | wc`

  expect(stdout).toBe('hello\n')
  const command = expect.stringContaining("cat $'it\\'s; rm -rf /' | wc")
  expect(asked).toEqual([[['bash', '--norc', '-c', command], { input: 'given' }]])
  expect(node.name).toBe('node-a')
})

test('another code than 0 rejects with what it said; with nothrow it is told', async () => {
  const { node } = nodeThat({ code: 22, stderr: 'refused\n' })

  await expect(node.$`curl https://node-b.test`).rejects.toMatchObject({ exitCode: 22, stderr: 'refused\n' })
  expect(await node.$`curl https://node-b.test`.nothrow()).toMatchObject({ exitCode: 22 })
})

test('a node that cannot run it rejects with the reason', async () => {
  const { node } = nodeThat({ code: 0 })
  node.exec = async () => {
    throw new Error('the agent of node node-a is gone')
  }

  await expect(node.$`true`).rejects.toThrow('the agent of node node-a is gone')
})
