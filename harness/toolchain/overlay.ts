import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import { ask } from './run.ts'

/** Environment variable that names the file with a Go program's offset: 8 bytes, a signed number of seconds in the machine's byte order. */
export const GO_CLOCK_VARIABLE = 'HOLDFAST_CLOCK'

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

/** How `time.Now` begins: `now` up to Go 1.25, `runtimeNow` from then on. The monotonic reading stays as it is. */
const NOW = /^func Now\(\) Time \{\n\tsec, nsec, mono := (?:runtimeNow|now)\(\)\n/gm
const NAME_TAKEN = /\bholdfast(?:Offset|Seconds)\b/
/** What stands in the source of `time.Now` afterwards. */
const ADDED = '\tsec += holdfastOffset()\n'

/** Everything that the overlay is made of, for the name of the cache. */
export const OVERLAY_RECIPE = JSON.stringify([CLOCK_SOURCE, NOW.source, ADDED])

/** The installed Go's `time.Now` is not written as the overlay expects. Code `HOLDFAST_CLOCK_OVERLAY`. */
export class ClockOverlayFailed extends HoldfastError {
  constructor(file: string, why: string, options?: ErrorOptions) {
    super(
      'HOLDFAST_CLOCK_OVERLAY',
      `${file}: ${why}, so programs whose clock can be moved cannot be built with this Go. ` +
        'Set HOLDFAST_GO to another Go (1.24 to 1.26 are known to fit), or run without moving clocks',
      options,
    )
  }
}

/**
 * Source of the package `time`'s `time.go` with an offset added to every reading of the wall clock.
 *
 * @throws {ClockOverlayFailed} the text that is replaced is not there exactly once.
 */
export function movableTime(source: string, file: string): string {
  const found = source.match(NOW)?.length ?? 0
  if (found !== 1) throw new ClockOverlayFailed(file, `the beginning of time.Now stands there ${found} times, not once`)
  if (NAME_TAKEN.test(source)) throw new ClockOverlayFailed(file, 'it has an offset of this kind already')
  return source.replace(NOW, (beginning) => beginning + ADDED)
}

/**
 * Writes an overlay of the Go that builds in `work` (https://pkg.go.dev/cmd/go, `-overlay`), and answers its path. The sources
 * of that Go are read, never changed.
 *
 * @throws {ClockOverlayFailed}
 */
export async function writeClockOverlay(go: string, work: string): Promise<string> {
  const { code, stdout, stderr } = await ask(go, ['env', 'GOROOT'], { cwd: work })
  const root = stdout.trim()
  if (code !== 0 || root === '') throw new ClockOverlayFailed(go, `it does not tell its GOROOT (${stderr.trim()})`)
  const original = join(root, 'src', 'time', 'time.go')
  const source = await readFile(original, 'utf8').catch((cause: Error) => {
    throw new ClockOverlayFailed(original, `it cannot be read (${cause.message})`, { cause })
  })
  const replaced = {
    [original]: join(work, 'time.go'),
    [join(root, 'src', 'time', 'holdfast_clock.go')]: join(work, 'clock.go'),
  }
  await writeFile(join(work, 'time.go'), movableTime(source, original))
  await writeFile(join(work, 'clock.go'), CLOCK_SOURCE)
  const overlay = join(work, 'overlay.json')
  await writeFile(overlay, JSON.stringify({ Replace: replaced }))
  return overlay
}
