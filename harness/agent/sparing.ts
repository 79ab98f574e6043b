/** How much a program may print: at once, and in each second on and on. Somebody reads what comes slower than that, and nobody the rest. */
const standard = { burst: 2_097_152, perSecond: 262_144, now: () => performance.now() }

/**
 * Passes the lines of a program on, but for stretches in which it prints more than anybody reads: they are counted, and told as one line
 * in their place. What is passed on is kept, searched and redacted, which takes longer than printing it.
 *
 * @param limits in characters; `now` in ms.
 */
export function sparing(give: (line: string) => void, limits: Partial<typeof standard> = {}) {
  const { burst, perSecond, now } = { ...standard, ...limits }
  let left = burst
  let since = now()
  let skipped = { lines: 0, characters: 0 }
  const end = () => {
    const { lines, characters } = skipped
    if (lines > 0)
      give(`… ${lines} lines (${characters} characters) are left out here: they came too fast to be kept …`)
    skipped = { lines: 0, characters: 0 }
  }
  const line = (text: string) => {
    const at = now()
    left = Math.min(burst, left + ((at - since) / 1_000) * perSecond)
    since = at
    // One long gap is read more easily than many short ones.
    if (left < text.length || (skipped.lines > 0 && left < perSecond)) {
      skipped.lines += 1
      skipped.characters += text.length
      return
    }
    end()
    left -= text.length
    give(text)
  }
  return { line, end }
}
