import { expect, scenario } from 'holdfast/vitest'
import { fileOf, newToken, on, refusedStart, served } from '../starting.ts'

const test = scenario('bearer-cluster')

type Site = Parameters<typeof fileOf>[0]
/** Makes what is to be there of a good token file. */
type Make = (site: Site, path: string) => Promise<unknown>

const always: readonly (readonly [what: string, reason: string, make: Make])[] = [
  ['none', 'file_missing', (site, path) => on(site, 'rm', path)],
  ['a folder', 'file_not_regular', (site, path) => on(site, 'sh', '-c', 'rm "$0" && mkdir "$0"', path)],
  [
    'a FIFO that nobody writes',
    'file_not_regular',
    (site, path) => on(site, 'sh', '-c', 'rm "$0" && mkfifo -m 600 "$0"', path),
  ],
  [
    'a link to a good one',
    'file_not_regular',
    (site, path) => on(site, 'sh', '-c', 'mv "$0" "$0.real" && ln -s "$0.real" "$0"', path),
  ],
  ['nothing in it', 'file_content', (site, path) => on(site, 'sh', '-c', ': > "$0"', path)],
  [
    'two lines',
    'file_content',
    (site, path) => on(site, 'sh', '-c', 'cat "$0" "$0" > "$0.two" && cat "$0.two" > "$0"', path),
  ],
  [
    'more than a token',
    'file_content',
    (site, path) => on(site, 'sh', '-c', 'head -c 8192 /dev/zero | tr "\\0" a > "$0"', path),
  ],
  ['mode 0644', 'file_mode', (site, path) => on(site, 'chmod', '644', path)],
  ['mode 0606', 'file_mode', (site, path) => on(site, 'chmod', '606', path)],
  ['mode 0620', 'file_mode', (site, path) => on(site, 'chmod', '620', path)],
]
const required: readonly (readonly [what: string, reason: string, make: Make])[] = [
  ['mode 0640', 'file_mode', (site, path) => on(site, 'chmod', '640', path)],
  [
    'a folder that the group may change',
    'file_directory',
    (site, path) => on(site, 'sh', '-c', 'chmod 770 "${0%/*}"', path),
  ],
]
const good: readonly (readonly [what: string, make: Make])[] = [
  ['mode 0600', async () => undefined],
  ['mode 0400', (site, path) => on(site, 'chmod', '400', path)],
  ['a line end', (site, path) => on(site, 'sh', '-c', 'echo >> "$0"', path)],
]

async function given(site: Site, make: Make) {
  const token = newToken()
  const path = await fileOf(site, token)
  await make(site, path)
  return { token, path, env: { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: path } }
}

async function demandRefused(site: Site, reason: string, make: Make, args: readonly string[]): Promise<void> {
  const { token, path, env } = await given(site, make)
  const { code, stderr, ms, isOpen } = await refusedStart(site, { env, args })
  expect(code, stderr).toBe(78)
  expect(stderr).toContain(reason)
  expect(stderr).toContain(path.replace(/\/token$/, ''))
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stderr).not.toContain(token.slice(0, 12))
  expect(isOpen).toBe(false)
  expect(site.measured('the start is refused', ms, site.bound(5_000))).toBeLessThan(site.bound(5_000))
}

test.for(always)('%s: refused as %s, whether or not a token is required', async ([, reason, make], { site }) => {
  await demandRefused(site, reason, make, ['--require-auth'])
  await demandRefused(site, reason, make, [])
})

test.for(required)('%s: refused as %s where a token is required, and told else', async ([, reason, make], { site }) => {
  await demandRefused(site, reason, make, ['--require-auth'])
  const { token, env, path } = await given(site, make)
  const printed = await served(site, { env }, async ({ status }) => expect(await status('/v1/auth', token)).toBe(200))
  expect(printed).toContain(path.replace(/\/token$/, ''))
  expect(printed).not.toContain(token.slice(0, 12))
})

test.for(good)('%s: accepted', async ([, make], { site }) => {
  const { token, env } = await given(site, make)
  await served(site, { env, args: ['--require-auth'] }, async ({ status }) => {
    expect([await status('/v1/auth', token), await status('/v1/auth')]).toEqual([200, 401])
  })
})
