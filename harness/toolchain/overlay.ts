import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import { ask } from './installed.ts'

/** Environment variable that names the file with a Go program's offset: 8 bytes, a signed number of seconds in the machine's byte order. */
export const GO_CLOCK_VARIABLE = 'HOLDFAST_CLOCK'
/** Environment variable that names the hosts file of a run; Node programs read the same one (`agent/hosts-preload.mjs`). */
export const HOSTS_VARIABLE = 'HOLDFAST_HOSTS'

/**
 * A file of the package `time` that every program of such a build carries. The file is mapped once, at the start; without the
 * variable the clock is the machine's, and a file that cannot be mapped ends the program: a run must not believe in a clock that
 * does not move.
 */
const CLOCK_SOURCE = `//go:build unix

package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var holdfastSeconds = mapHoldfastClock()

func mapHoldfastClock() *int64 {
	path, named := syscall.Getenv("${GO_CLOCK_VARIABLE}")
	if !named || path == "" {
		return new(int64)
	}
	file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("${GO_CLOCK_VARIABLE}: cannot open " + path + ": " + err.Error())
	}
	defer syscall.Close(file)
	mapped, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("${GO_CLOCK_VARIABLE}: cannot map " + path + ": " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&mapped[0]))
}

func holdfastOffset() int64 { return atomic.LoadInt64(holdfastSeconds) }
`

/**
 * A file of the package `net`. It is read at each look, so that a host that is led elsewhere is found there at once, which the
 * five seconds for which `net` believes /etc/hosts would not do. What stands beside the run's hosts is never asked of the
 * machine, nor of DNS; any other name is the machine's matter, and so is every name without the variable.
 */
const NAMES_SOURCE = `package net

import (
	"internal/bytealg"
	"syscall"
)

var holdfastHosts = namedHoldfastHosts()

func namedHoldfastHosts() string {
	path, _ := syscall.Getenv("${HOSTS_VARIABLE}")
	if path == "" {
		return ""
	}
	file, err := open(path)
	if err != nil {
		panic("${HOSTS_VARIABLE}: " + err.Error())
	}
	file.close()
	return path
}

func holdfastHost(name string) (addrs []string, isOurs bool) {
	if holdfastHosts == "" {
		return nil, false
	}
	file, err := open(holdfastHosts)
	if err != nil {
		return nil, true
	}
	defer file.close()
	if last := len(name) - 1; last >= 0 && name[last] == '.' {
		name = name[:last]
	}
	for line, ok := file.readLine(); ok; line, ok = file.readLine() {
		if comment := bytealg.IndexByteString(line, '#'); comment >= 0 {
			line = line[:comment]
		}
		fields := getFields(line)
		for at := 1; at < len(fields); at++ {
			host := fields[at]
			if stringsEqualFold(host, name) {
				addrs = append(addrs, fields[0])
				isOurs = true
			}
			dot := bytealg.IndexByteString(host, '.')
			if dot >= 0 && stringsHasSuffixFold(name, host[dot:]) {
				isOurs = true
			}
		}
	}
	return addrs, isOurs
}
`

const ADDED_FILES = { 'time/holdfast_clock.go': CLOCK_SOURCE, 'net/holdfast_names.go': NAMES_SOURCE }

/** How a function of the standard library begins, and what is put there; by file, below Go's `src`. */
const PATCHES: Readonly<Record<string, { name: string; beginning: RegExp; added: string }>> = {
  'time/time.go': {
    name: 'time.Now',
    // `now` up to Go 1.25, `runtimeNow` from then on. The monotonic reading stays as it is.
    beginning: /^func Now\(\) Time \{\n\tsec, nsec, mono := (?:runtimeNow|now)\(\)\n/gm,
    added: '\tsec += holdfastOffset()\n',
  },
  // Whatever nsswitch.conf and resolv.conf say, and whichever resolver the system prefers: a host of the run is looked up in files …
  'net/conf.go': {
    name: 'conf.hostLookupOrder',
    beginning:
      /^func \(c \*conf\) hostLookupOrder\(r \*Resolver, hostname string\) \(ret hostLookupOrder, dnsConf \*dnsConfig\) \{\n/gm,
    added: '\tif _, isOurs := holdfastHost(hostname); isOurs {\n\t\treturn hostLookupFiles, nil\n\t}\n',
  },
  // … and the file is the run's.
  'net/hosts.go': {
    name: 'lookupStaticHost',
    beginning: /^func lookupStaticHost\(host string\) \(\[\]string, string\) \{\n/gm,
    added: '\tif addrs, isOurs := holdfastHost(host); isOurs {\n\t\treturn addrs, absDomainName(host)\n\t}\n',
  },
}

/** The files of Go's standard library that are changed, below its `src`. */
export const PATCHED_FILES = Object.keys(PATCHES)

/** Everything that the overlay is made of, for the name of the cache. */
export const OVERLAY_RECIPE = JSON.stringify([
  ADDED_FILES,
  Object.entries(PATCHES).map(([file, { beginning, added }]) => [file, beginning.source, added]),
])

/** The installed Go's standard library is not written as the overlay expects. */
function overlayFailed(file: string, why: string, options?: ErrorOptions): HoldfastError {
  const what = `${file}: ${why}, so programs that follow the clock and the host names of a run cannot be built with this Go`
  const wayOut =
    'Set HOLDFAST_GO to another Go (1.24 to 1.26 are known to fit), or run without moving clocks and without programs that dial'
  return new HoldfastError('HOLDFAST_GO_OVERLAY', `${what}. ${wayOut}`, options)
}

/**
 * Source of one of {@link PATCHED_FILES} with what the overlay adds.
 *
 * @param path where it was read, for the message.
 * @throws HoldfastError `HOLDFAST_GO_OVERLAY`: the text that is added to is not there exactly once.
 */
export function patched(file: string, source: string, path: string): string {
  const { name, beginning, added } = PATCHES[file]!
  const found = source.match(beginning)?.length ?? 0
  if (found !== 1) throw overlayFailed(path, `the beginning of ${name} stands there ${found} times, not once`)
  if (/\bholdfast[A-Z]/.test(source)) throw overlayFailed(path, 'it was changed in this way already')
  return source.replace(beginning, (text) => text + added)
}

/**
 * Writes an overlay of the Go that builds in `work` (https://pkg.go.dev/cmd/go, `-overlay`), and answers its path. The sources
 * of that Go are read, never changed.
 *
 * @throws HoldfastError `HOLDFAST_GO_OVERLAY`
 */
export async function writeOverlay(go: string, work: string): Promise<string> {
  const { code, stdout, stderr } = await ask(go, ['env', 'GOROOT'], { cwd: work })
  const root = stdout.trim()
  if (code !== 0 || root === '') throw overlayFailed(go, `it does not tell its GOROOT (${stderr.trim()})`)
  const replaced: Record<string, string> = {}
  const put = async (file: string, text: string) => {
    const copy = join(work, file.replace('/', '-'))
    replaced[join(root, 'src', file)] = copy
    await writeFile(copy, text)
  }
  for (const [file, text] of Object.entries(ADDED_FILES)) await put(file, text)
  for (const file of PATCHED_FILES) {
    const original = join(root, 'src', file)
    const source = await readFile(original, 'utf8').catch((cause: Error) => {
      throw overlayFailed(original, `it cannot be read (${cause.message})`, { cause })
    })
    await put(file, patched(file, source, original))
  }
  const overlay = join(work, 'overlay.json')
  await writeFile(overlay, JSON.stringify({ Replace: replaced }))
  return overlay
}
