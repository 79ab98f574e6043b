import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { curlCommand } from './curl.ts'

const place = { host: 'a.test', port: 9_444, address: '127.9.1.3', anchor: '/run/my sites/ca.pem' }
const call = { ...place, request: { path: '/v1/routes' } }

test('the host is resolved by the command, and words that a shell would split are quoted', () => {
  expect(curlCommand(call)).toBe(
    "curl -sS --resolve a.test:9444:127.9.1.3 --cacert '/run/my sites/ca.pem' --write-out '\\n%{http_code}\\n' https://a.test:9444/v1/routes",
  )
})

test('a host that is up at another name is connected to there', () => {
  expect(curlCommand({ ...call, address: 'localhost' })).toMatch(/^curl -sS --connect-to a\.test:9444:localhost:9444 /)
})

test('the token comes out of its file when the command runs', async () => {
  const token = '/tmp/it’s a\'token"file'
  const command = curlCommand({ ...place, token, request: { path: '/', method: 'PUT', json: { name: "it's" } } })
  // What the shell makes of it, with `cat` and `curl` replaced by programs that show their arguments.
  const script = `cat() { printf '<%s>' "$1"; }; curl() { printf '%s\\n' "$@"; }; ${command}`
  const { stdout } = await promisify(execFile)('sh', ['-c', script])

  expect(stdout.split('\n')).toEqual(
    expect.arrayContaining(['PUT', `Authorization: Bearer <${token}>`, '{"name":"it\'s"}', call.anchor]),
  )
})

test('further lines stand as they are, and who speaks no TLS is called without', () => {
  const plain = curlCommand({
    ...call,
    isPlain: true,
    request: { path: '/v1/routes', fields: { 'Idempotency-Key': 'one two' } },
  })
  expect(plain).toMatch(
    /^curl -sS --resolve a\.test:9444:127\.9\.1\.3 -H 'Idempotency-Key: one two' .* http:\/\/a\.test:9444\/v1\/routes$/,
  )
})
