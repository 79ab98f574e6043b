import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { bareEnvironment } from '../shared/testing/environment.ts'
import { outputOf } from '../shared/testing/output.ts'
import { freePort } from '../shared/testing/service-process.ts'

vi.setConfig({ testTimeout: 120_000 })

const root = join(import.meta.dirname, '../..')

test('what the README says to try does what it says', async () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  const [, script = ''] = /^## Try it$[\s\S]*?^```sh\n([\s\S]*?)^```$/m.exec(readme) ?? []
  expect(script).toContain('bearer-node serve --require-auth')
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-readme-'))
  try {
    // A checkout, but for what the commands write.
    for (const name of ['node_modules', 'services']) symlinkSync(join(root, name), join(folder, name))
    const port = await freePort()
    const here = script
      .replace('"leaseMs": 1000', `"leaseMs": 1000, "listen": [{ "address": "127.0.0.1", "port": ${port} }]`)
      .replace('127.0.0.1:8770', `127.0.0.1:${port}`)
    const { code, stdout, stderr } = await shell(`trap 'kill $node' EXIT\n${here}\nwait $node\ntrap - EXIT\n`, folder)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(/"source":".*\/lab\/token"/)
    expect(stdout).toMatch(/^state +succeeded$/m)
    expect(stdout).toMatch(/^orc-1 +http:\/\/127\.0\.0\.1:\d+ +leading +orc-1 +\d+ +no peers$/m)
    expect(stdout).toMatch(/^next: bearer-node token roll begin --new-token-file FILE on orc-1 /m)
    const token = readFileSync(join(folder, 'lab/token'), 'utf8').trim()
    expect(`${stdout}${stderr}${readFileSync(join(folder, 'lab/log'), 'utf8')}`).not.toContain(token)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

async function shell(script: string, cwd: string) {
  const child = spawn('/bin/bash', ['-e', '-c', script], { cwd, env: bareEnvironment })
  return outputOf(child).ended
}
