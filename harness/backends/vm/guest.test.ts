import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { idlePlan } from '../fixtures/plans.ts'
import { placesOf } from './addresses.ts'
import { archive, fileMode, folderMode, foldersAbove, linkMode } from './cpio.ts'
import { type GuestFiles, holdfastFiles, librariesOf, packageOf, systemOf, takeAll } from './guest-files.ts'
import { imageOf } from './images.ts'
import { dependenciesOf, neededModules } from './kernel-modules.ts'
import { filesNamedIn } from './plan-files.ts'
import { findProgram } from './programs.ts'
import { qemuArguments } from './qemu.ts'
import { runFiles } from './run-files.ts'

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-vm-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A module as the kernel's build makes it, as far as it is read here. */
const moduleOf = (...needs: string[]) => Buffer.from(`ELF\0license=GPL\0depends=${needs.join(',')}\0name=x\0`)

test('an archive has its entries as they were given, each on a boundary of 4 bytes, and always the same', () => {
  const entries = [
    { path: 'etc', mode: folderMode | 0o755 },
    { path: 'etc/key', mode: fileMode | 0o600, content: Buffer.from('secret') },
    { path: 'etc/link', mode: linkMode | 0o777, content: Buffer.from('/run/key') },
  ]
  const bytes = archive(entries)
  const read: unknown[] = []
  for (let at = 0; ; ) {
    expect([bytes.toString('latin1', at, at + 6), at % 4]).toEqual(['070701', 0])
    const field = (index: number) =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const [mode, size, name] = [field(1), field(6), field(11)]
    const path = bytes.toString('latin1', at + 110, at + 110 + name - 1)
    if (path === 'TRAILER!!!') break
    const start = at + Math.ceil((110 + name) / 4) * 4
    read.push([path, mode, bytes.toString('latin1', start, start + size)])
    at = start + Math.ceil(size / 4) * 4
  }

  expect(read).toEqual([
    ['etc', 0o040755, ''],
    ['etc/key', 0o100600, 'secret'],
    ['etc/link', 0o120777, '/run/key'],
  ])
  expect(bytes.equals(archive(entries))).toBe(true)
  expect(foldersAbove(['a/b/c', 'a/d'])).toEqual(['a', 'a/b'])
})

test('BusyBox, which unpacks archives in machines, finds in one what was put there', ({ skip }) => {
  const busybox = findProgram('busybox')
  if (busybox === undefined) return skip('no busybox: apt-get install busybox-static')
  const folder = scratch()
  const input = archive([
    { path: 'deep', mode: folderMode | 0o755 },
    { path: 'deep/file', mode: fileMode | 0o640, content: Buffer.from('content') },
  ])
  expect(spawnSync(busybox, ['cpio', '-id'], { cwd: folder, input }).status).toBe(0)
  expect(readFileSync(join(folder, 'deep/file'), 'utf8')).toBe('content')
})

test('modules are loaded with what each says it takes before it, once, and without what is built in', async () => {
  const folder = scratch()
  const place = join(folder, 'kernel/drivers')
  mkdirSync(place, { recursive: true })
  const modules = {
    virtio: ['virtio_ring'],
    virtio_ring: [],
    virtio_pci: ['virtio', 'virtio_ring'],
    virtio_blk: ['virtio'],
    virtio_net: ['net_failover', 'virtio'],
    net_failover: [],
    virtio_console: ['virtio_ring'],
    'virtio-rng': ['virtio'],
    overlay: [],
  }
  for (const [name, needs] of Object.entries(modules)) writeFileSync(join(place, `${name}.ko`), moduleOf(...needs))
  writeFileSync(join(folder, 'modules.builtin'), 'kernel/fs/ext4/ext4.ko\n')

  expect((await neededModules(folder)).map(({ name }) => name)).toEqual([
    ...['virtio_ring', 'virtio', 'virtio_pci', 'virtio_blk', 'net_failover', 'virtio_net'],
    ...['virtio_console', 'virtio_rng', 'overlay'],
  ])
  expect(dependenciesOf(Buffer.from('no such section'))).toEqual([])
  rmSync(join(place, 'overlay.ko'))
  await expect(neededModules(folder)).rejects.toThrow(`${folder} has no module overlay; Debian: apt-get download`)
})

test('a machine is told all that it speaks to by open descriptors, and nothing of its run', () => {
  const argv = qemuArguments({
    accelerator: 'tcg',
    memoryMiB: 400,
    kernel: '/boot/vmlinuz',
    initramfs: '/cache/initramfs',
    drives: ['/run/a,b/drive', '/cache/image.ext4'],
    disk: '/run/a,b/disk',
    cards: ['52:54:00:00:00:00', '52:54:00:01:00:00'],
    clock: '2030-01-02T03:04:05',
    name: 'holdfast-x',
  })
  const pairs = argv.flatMap((word, at) => (word.startsWith('-') ? [`${word} ${argv[at + 1]}`] : []))

  expect(pairs).toEqual(
    expect.arrayContaining([
      '-M q35',
      expect.stringMatching(/^-append console=ttyS0 .* clocksource=hpet nolapic_timer no_timer_check$/),
      '-accel tcg,thread=multi',
      '-m 400',
      '-rtc base=2030-01-02T03:04:05,clock=host',
      '-drive id=d0,if=none,file=/run/a,,b/drive,format=raw,readonly=on,file.locking=off',
      '-drive id=disk,if=none,file=/run/a,,b/disk,format=raw,file.locking=off',
      '-netdev stream,id=n1,server=off,addr.type=fd,addr.str=7',
      '-device virtio-net-pci,netdev=n1,id=card1,romfile=,mac=52:54:00:01:00:00',
      '-chardev socket,id=line,fd=4',
    ]),
  )
  expect(argv.join(' ')).not.toMatch(/path=|tcp:|hostfwd|user,/)
})

test('a machine finds its files, its hosts and its agent, and no text of them is taken for a command', () => {
  const bytes = runFiles({
    dir: '/runs/x/nodes/one',
    host: "o'ne.test",
    cards: [{ address: '10.20.4.1', prefix: 22 }],
    strangers: ['10.20.6.0/23'],
    env: { A: "it's $(id)" },
    agent: ['/usr/bin/node', '/x/guest.ts'],
    hosts: '10.20.4.1 one.test\n',
    files: new Map([['/runs/x/plan.json', { content: Buffer.from('{}'), mode: 0o600 }]]),
  }).toString('latin1')

  expect(bytes.length % 512).toBe(0)
  for (const part of [
    '$b mount -t ext4 -o nodelalloc,commit=1 /dev/vdb /runs/x/nodes/one ',
    '$b ip address add 10.20.4.1/22 dev eth0\n',
    '$b ip route add local 10.20.6.0/23 dev lo\n',
    "export A='it'\\''s $(id)'\n",
    "$b hostname 'o'\\''ne.test'\n",
    '/usr/bin/node /x/guest.ts 3<',
    '127.0.0.1 localhost\n10.20.4.1 one.test\n',
    'hosts: files\n',
  ]) {
    expect(bytes).toContain(part)
  }
})

test('each node has an address in each of its networks, and nobody has those of strangers', () => {
  const plan = idlePlan('a', 'b')
  plan.nodes.a!.networks = ['inner', 'outer']
  plan.nodes.b!.networks = ['outer']
  const places = placesOf(plan, 62, 20)

  expect(places.addresses).toEqual({
    a: { inner: '10.20.248.1', outer: '10.20.252.1' },
    b: { outer: '10.20.252.2' },
  })
  const { node, range, address } = places.strangers('outer')
  expect([node, range, ...[0, 254, 255, 509].map(address)]).toEqual([
    ...['a', '10.20.254.0/23', '10.20.254.1', '10.20.254.255', '10.20.255.0', '10.20.255.254'],
  ])
  expect(() => address(510)).toThrow('has addresses for 510 strangers')
  const many = idlePlan(...Array.from({ length: 255 }, (_, at) => `n${at}`))
  expect(() => placesOf(many)).toThrow('has addresses for 254 nodes')
})

test('what goes into an image lies where it lies here, links and what they lead to', () => {
  const folder = scratch()
  for (const name of ['real/deep', 'skipped']) mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, 'real/deep/file'), 'x')
  writeFileSync(join(folder, 'skipped/file'), 'x')
  symlinkSync('real', join(folder, 'short'))
  symlinkSync('file', join(folder, 'real/deep/other'))
  const files: GuestFiles = new Map()
  takeAll(files, join(folder, 'short'), (name) => name !== 'skipped')

  expect(Object.fromEntries(files)).toEqual({
    [join(folder, 'short')]: { link: 'real' },
    [join(folder, 'real/deep/file')]: { file: join(folder, 'real/deep/file') },
    [join(folder, 'real/deep/other')]: { link: 'file' },
  })
})

test('a guest has Node, Holdfast with the packages that it depends on, a shell, and the libraries of all of them', async () => {
  const system = systemOf(process.env.PATH!.split(':'))
  const own = holdfastFiles()
  const paths = [...own.keys()]

  expect(system.has(process.execPath)).toBe(true)
  expect(paths.filter((path) => path.endsWith('/backends/vm/guest.ts'))).toHaveLength(1)
  for (const name of ['zod', 'jose', 'ws', '@nats-io/nkeys']) {
    expect(paths.some((path) => path.endsWith(`/node_modules/${name}/package.json`))).toBe(true)
  }
  for (const unwanted of ['/node_modules/typescript/', '/node_modules/vitest/', '.test.', '/.git/']) {
    expect(paths.filter((path) => path.includes(unwanted))).toEqual([])
  }
  const node: GuestFiles = new Map([[process.execPath, { file: process.execPath }]])
  expect([...(await librariesOf(node)).keys()].some((path) => path.includes('libc.so'))).toBe(true)
})

test('a run takes what its plan names: programs and packages of scripts to an image, all else to its own machines alone', () => {
  const folder = scratch()
  for (const name of ['app/lib', 'app/.git']) mkdirSync(join(folder, name), { recursive: true })
  const put = (name: string, text: string, mode = 0o644) => {
    writeFileSync(join(folder, name), text, { mode })
    return join(folder, name)
  }
  const [script, library] = [put('app/main.mjs', ''), put('app/lib/x.mjs', '')]
  put('app/package.json', '{}')
  put('app/.git/config', '')
  const env = put('app/.env', 'SECRET=1', 0o600)
  const [program, key] = [put('tool', 'binary', 0o755), put('key.pem', 'KEY', 0o600)]
  const plan = {
    units: [{ script }, { args: [`--key=${key}`, '/nowhere/x', '/', '/proc/self/status'] }, { path: program }],
  }
  const { programs, read } = filesNamedIn([plan, { NODE_OPTIONS: `--import=file://${library}` }], () => false)

  expect([...programs.keys()].sort()).toEqual([script, library, join(folder, 'app/package.json'), program].sort())
  expect(Object.fromEntries(read)).toEqual({
    [key]: { content: Buffer.from('KEY'), mode: 0o600 },
    [env]: { content: Buffer.from('SECRET=1'), mode: 0o600 },
  })
  expect(filesNamedIn([plan], () => true)).toEqual({ programs: new Map(), read: new Map() })
  expect(packageOf(library)).toBe(join(folder, 'app'))
})

test('a script of no package comes with the scripts and data beside it, and with nothing else of its folder', () => {
  const folder = scratch()
  mkdirSync(join(folder, '.ssh'))
  mkdirSync(join(folder, 'papers'))
  const put = (name: string) => {
    writeFileSync(join(folder, name), '', { mode: 0o644 })
    return join(folder, name)
  }
  const [script, beside, data] = [put('x.mjs'), put('y.mjs'), put('z.json')]
  for (const name of ['.ssh/id', 'papers/private.json', '.hidden.json', 'notes.txt']) put(name)
  const { programs, read } = filesNamedIn([{ script }], () => false)

  expect([...programs.keys()].sort()).toEqual([script, beside, data])
  expect(read.size).toBe(0)
})

test('an image is made once for the same content, anew for another, and taken away when nobody has used it for long', async ({
  skip,
}) => {
  const missing = ['mke2fs', 'debugfs'].filter((name) => findProgram(name) === undefined)
  if (missing.length > 0) return skip(`no ${missing.join(', ')}: apt-get install e2fsprogs`)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-images-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const before = process.env.HOLDFAST_CACHE_DIR
  process.env.HOLDFAST_CACHE_DIR = join(folder, 'cache')
  onTestFinished(() => {
    if (before === undefined) delete process.env.HOLDFAST_CACHE_DIR
    else process.env.HOLDFAST_CACHE_DIR = before
  })
  const file = join(folder, 'file')
  writeFileSync(file, 'first')
  const files: GuestFiles = new Map([
    [file, { file }],
    [join(folder, 'link'), { link: 'file' }],
  ])
  const first = await imageOf(files)
  // At once, as test processes do.
  expect(await Promise.all([imageOf(files), imageOf(files)])).toEqual([first, first])
  const { stdout } = spawnSync(findProgram('debugfs')!, ['-R', `cat ${file}`, first], { encoding: 'utf8' })
  expect(stdout).toBe('first')
  writeFileSync(file, 'second, longer')
  const long = new Date(Date.now() - 20 * 86_400_000)
  await utimes(first, long, long)
  const second = await imageOf(files)

  expect(second).not.toBe(first)
  const left = await readdir(join(folder, 'cache/vm'))
  expect(
    left
      .filter((name) => name.endsWith('.ext4') || name.startsWith('making'))
      .map((name) => join(folder, 'cache/vm', name)),
  ).toEqual([second])
})
