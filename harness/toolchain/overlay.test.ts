import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { hostsText } from '../agent/hosts-file.ts'
import { settings, userEnvironment } from '../settings.ts'
import { findGo } from './installed.ts'
import { PATCHED_FILES, patched, writeOverlay } from './overlay.ts'
import { resolveTool } from './resolve.ts'
import { cacheFolder } from './source.ts'

const body = '\tif mono == 0 {\n\t\treturn Time{}\n\t}\n}\n'
const now = (reading: string) =>
  `package time\n\n// Now returns it.\nfunc Now() Time {\n\tsec, nsec, mono := ${reading}\n${body}`
const order = (rest = '') =>
  `package net\n\nfunc (c *conf) hostLookupOrder(r *Resolver, hostname string) (ret hostLookupOrder, dnsConf *dnsConfig) {\n${rest}}\n`
const hosts = (rest = '') => `package net\n\nfunc lookupStaticHost(host string) ([]string, string) {\n${rest}}\n`

test.each([
  ['time/time.go', now('now()'), now('now()\n\tsec += holdfastOffset()')],
  ['time/time.go', now('runtimeNow()'), now('runtimeNow()\n\tsec += holdfastOffset()')],
  [
    'net/conf.go',
    order(),
    order('\tif _, isOurs := holdfastHost(hostname); isOurs {\n\t\treturn hostLookupFiles, nil\n\t}\n'),
  ],
  [
    'net/hosts.go',
    hosts(),
    hosts('\tif addrs, isOurs := holdfastHost(host); isOurs {\n\t\treturn addrs, absDomainName(host)\n\t}\n'),
  ],
])('the overlay of %s adds to it, and changes nothing else', (file, source, expected) => {
  expect(patched(file, source, file)).toBe(expected)
})

test.each<[string, string, string, RegExp]>([
  ['time.Now reads its clock in another way', 'time/time.go', now('clock.read()'), /time\.Now stands there 0 times/],
  ['time.Now is gone', 'time/time.go', 'package time\n', /time\.Now stands there 0 times/],
  ['there are two of it', 'time/time.go', now('now()') + now('now()'), /stands there 2 times/],
  ['the source was changed before', 'time/time.go', patched('time/time.go', now('now()'), ''), /changed in this way/],
  [
    'the order is asked in another way',
    'net/conf.go',
    order().replace('hostname', 'name'),
    /Order stands there 0 times/,
  ],
  ['hosts are looked up elsewhere', 'net/hosts.go', 'package net\n', /lookupStaticHost stands there 0 times/],
])('the overlay fails when %s, naming the file and the way out', (_, file, text, why) => {
  const change = () => patched(file, text, `/go/src/${file}`)

  expect(change).toThrow(expect.objectContaining({ code: 'HOLDFAST_GO_OVERLAY' }))
  expect(change).toThrow(why)
  expect(change).toThrow(/^\/go\/src\/(time|net)\/[a-z]+\.go: .*HOLDFAST_GO/)
})

const go = await findGo(settings())

test.skipIf(go === undefined).each(PATCHED_FILES)('the overlay fits %s of the Go of this machine', (file) => {
  const root = execFileSync(go as string, ['env', 'GOROOT'], { encoding: 'utf8' }).trim()
  const path = join(root, 'src', file)

  expect(patched(file, readFileSync(path, 'utf8'), path)).toMatch(/holdfast(Offset|Host)\(/)
})

test('builds with the overlay lie in a folder of their own, and nothing else takes their place', async () => {
  expect(cacheFolder(settings(), true)).not.toBe(cacheFolder(settings(), false))

  const elsewhere = { ...settings({}), cacheDir: '/dev/null/cache', tools: { step: process.execPath } }
  expect((await resolveTool('step', { settings: elsewhere })).source).toBe('explicit')
  await expect(resolveTool('step', { settings: elsewhere, overlay: true })).rejects.toThrow(
    /step that follows the clock and the host names of a run is missing.*holdfast doctor --install --overlay/,
  )
})

/** A program that looks up each name that it reads. */
const resolver = `package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
)

func main() {
	for names := bufio.NewScanner(os.Stdin); names.Scan(); {
		addrs, err := net.LookupHost(names.Text())
		fmt.Println(addrs, err)
	}
}
`

describe.skipIf(go === undefined)('a Go program that was built with the overlay', () => {
  const work = mkdtempSync(join(tmpdir(), 'overlay-'))
  const [program, file] = [join(work, 'resolver'), join(work, 'hosts')]
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  /** Replaced as the run's own is, while programs read it. */
  const write = (text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }

  beforeAll(async () => {
    const overlay = await writeOverlay(go as string, work)
    writeFileSync(join(work, 'main.go'), resolver)
    const env = userEnvironment({ CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '' })
    const argv = ['build', '-trimpath', '-overlay', overlay, '-o', program, 'main.go']
    await promisify(execFile)(go as string, argv, { cwd: work, env })
  }, 180_000)

  /** Starts it, and answers what asks it. */
  function started(hostsFile = file): (name: string) => Promise<string | undefined> {
    const child = spawn(program, { env: { HOLDFAST_HOSTS: hostsFile }, stdio: ['pipe', 'pipe', 'pipe'] })
    onTestFinished(() => void child.kill())
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    return async (name) => {
      child.stdin.write(`${name}\n`)
      return (await lines.next()).value
    }
  }

  test('finds the hosts of the run, however they are written, and nothing beside them', async () => {
    write(
      `# a comment\n${hostsText({ 'a.lab.test': '127.9.9.1', 'b.lab.test': '127.9.9.2' })}127.9.9.3\tC.lab.test d.lab.test # two\n`,
    )
    const lookUp = started()

    expect(await lookUp('a.lab.test')).toBe('[127.9.9.1] <nil>')
    expect(await lookUp('B.LAB.test.')).toBe('[127.9.9.2] <nil>')
    expect(await lookUp('c.lab.test')).toBe('[127.9.9.3] <nil>')
    expect(await lookUp('d.lab.test')).toBe('[127.9.9.3] <nil>')
    expect(await lookUp('e.lab.test')).toBe('[] lookup e.lab.test: no such host')
    expect(await lookUp('a.a.lab.test')).toBe('[] lookup a.a.lab.test: no such host')
  })

  test('follows a host that is led elsewhere while it runs, at once', async () => {
    write(hostsText({ 'a.lab.test': '127.9.9.1' }))
    const lookUp = started()

    expect(await lookUp('a.lab.test')).toBe('[127.9.9.1] <nil>')
    write(hostsText({ 'a.lab.test': '127.9.9.2' }))
    expect(await lookUp('a.lab.test')).toBe('[127.9.9.2] <nil>')
    write(hostsText({ 'b.lab.test': '127.9.9.2' }))
    expect(await lookUp('a.lab.test')).toBe('[] lookup a.lab.test: no such host')
    rmSync(file)
    expect(await lookUp('b.lab.test')).toBe('[] lookup b.lab.test: no such host')
  })

  test('leaves all other names to the machine, and without the variable all names', async () => {
    write(hostsText({ 'a.lab.test': '127.9.9.1', 'localhost.lab.test': '127.9.9.2' }))

    expect(await started()('localhost')).toContain('127.0.0.1')
    write(hostsText({ localhost: '127.9.9.3' }))
    expect(await started()('localhost')).toBe('[127.9.9.3] <nil>')
    expect(await started('')('localhost')).toContain('127.0.0.1')
  })

  test('does not start where its hosts file is missing', () => {
    const { status, stderr } = spawnSync(program, { env: { HOLDFAST_HOSTS: join(work, 'nowhere') }, encoding: 'utf8' })

    expect(status).toBe(2)
    expect(stderr).toContain('HOLDFAST_HOSTS: open ')
  })
})
