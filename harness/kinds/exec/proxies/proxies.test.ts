import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueLeaf, rogueAuthority } from '../../../pki/authority.ts'
import type { Identity } from '../../../pki/certificate.ts'
import { certificateEncodings, inHeader } from '../../../pki/certificate-header.ts'
import { exchange } from '../../../protocols/http/exchange.ts'
import { localSeat } from '../../../protocols/seat.ts'
import { until } from '../../../site/until.ts'
import { lackingPrograms } from '../../../toolchain/survey.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'

const proxies = { haproxy, nginx }
const host = 'gateway.test'
let dir: string
let anchorPem: string
let caller: Identity
let seen: IncomingHttpHeaders
const program = createServer(({ headers }, response) => {
  seen = headers
  response.end('{}')
})

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-proxies-'))
  const authority = await rogueAuthority()
  anchorPem = authority.anchorPem
  const own = await issueLeaf({ authority, subject: host, sans: [host] })
  caller = await issueLeaf({ authority, subject: 'shop.test', sans: ['shop.test'] })
  await writeFile(join(dir, 'server.pem'), own.certPem)
  await writeFile(join(dir, 'server.pem.key'), own.keyPem)
  await writeFile(join(dir, 'ca.pem'), anchorPem)
  await once(program.listen(0, '127.0.0.1'), 'listening')
})
afterAll(async () => {
  program.close().closeAllConnections()
  await rm(dir, { recursive: true, force: true })
})

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  await once(server.close(), 'close')
  return port
}

for (const name of ['haproxy', 'nginx'] as const) {
  const lacking = await lackingPrograms([name])
  test.skipIf(lacking !== undefined).each(certificateEncodings)(
    `${name} hands on what it was shown, as ${lacking ?? '%s'}, and nothing that the caller wrote`,
    async (encoding) => {
      const { command, configuration } = proxies[name]
      const port = await freePort()
      const told = {
        ...{ address: '127.0.0.1', port: String(port), host, program_port: String(portOf(program)), dir },
        ...{ cert: join(dir, 'server.pem'), key: join(dir, 'server.pem.key'), ca: join(dir, 'ca.pem') },
      }
      const file = join(dir, `${name}.conf`)
      await writeFile(file, configuration(told, { name: 'X-Cert', encoding }, 'requested'))
      const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`
      const child = spawn('/bin/sh', ['-c', command, name, file], { cwd: dir, env: { PATH: path }, stdio: 'ignore' })
      try {
        const call = (identity?: Identity) =>
          exchange(
            { seat: localSeat(), address: '127.0.0.1', port, host, anchorPem, identity },
            { method: 'GET', path: '/', headers: [['X-Cert', 'forged']] },
          )
        await until('the proxy listens', async () => (await call().catch(() => undefined))?.status === 200, {
          withinMs: 10_000,
        })
        await call(caller)
        const value = String(seen['x-cert'])
        // Lines of PEM may be of any length, and nginx has no SHA-256.
        const [, pem = ''] = /(-----BEGIN.*-----(?:%0A)?)/.exec(value) ?? []
        if (pem === '') expect(value).toBe(inHeader(caller.certPem, encoding))
        else expect(inHeader(decodeURIComponent(pem), 'base64')).toBe(inHeader(caller.certPem, 'base64'))
        if (name === 'haproxy' && encoding === 'xfcc') {
          expect(value).toContain(inHeader(caller.certPem, 'xfcc').slice(0, 'Hash='.length + 64))
        }
        expect(seen.host).toBe(`${host}:${port}`)
        await call()
        expect(seen['x-cert']).toBeUndefined()
      } finally {
        child.kill()
        await once(child, 'exit')
      }
    },
  )
}
