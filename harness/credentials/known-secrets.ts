/** So many characters in a row are enough to know a secret by. A shorter value is a word like others: it is never looked for. */
const windowLength = 16
/** A piece of a secret is found wherever it begins, if it is one window and one step long. */
const step = 8
/** Of a long value only its beginning is looked for; what follows it goes with it. */
const longest = 2_048
/** The same few over and over are what attacks fill with. */
const fewestCharacters = 4
const keptCharacters = 8
const removal = /\[secret (\S+…) removed\]/g

interface Place {
  readonly form: string
  readonly at: number
}

/**
 * Secrets of one run that are known by value, in the forms in which they get out: as they are, escaped, in hexadecimal or base64.
 * They stay in private members: whoever prints or serialises this sees none of them.
 */
export class KnownSecrets {
  /** Where a window of characters stands in a form of a secret. */
  readonly #windows = new Map<string, Place>()
  /** Of their first characters: most places of a text are no secret's, and are passed over at once. Sparse, or few of them were. */
  #heads = new Uint8Array(1 << 12)

  add(values: readonly (string | Uint8Array)[]): void {
    for (const value of values) {
      if (value.length < windowLength || isFilling(value)) continue
      const isText = typeof value === 'string'
      if (isText) for (const form of writingsOf(value)) this.#enter(form, longest)
      for (const form of encodingsOf(value)) {
        // Nobody cuts those of a text in the middle: their beginnings will do.
        this.#enter(form, isText && !isFilling(form.slice(0, windowLength)) ? windowLength : longest)
      }
    }
  }

  /** Nothing can be found as long as this is 0. */
  get size(): number {
    return this.#windows.size
  }

  /** Names what stands in `text`, for a report: never the secret. */
  foundIn(text: string): string[] {
    return [...new Set([...this.#runsIn(text)].map(({ form }) => `a secret that begins with ${beginning(form)}`))]
  }

  /** The text with a mark in place of each secret, or piece of one. */
  removedFrom(text: string): string {
    let left = ''
    let end = 0
    for (const { from, to, form } of this.#runsIn(text)) {
      if (from > end || end === 0) left += `${text.slice(end, from)}[secret ${beginning(form)} removed]`
      end = to
    }
    return end === 0 ? text : left + text.slice(end)
  }

  /** Stretches of the text that are one of a secret, from first to last; the next may overlap the one before. */
  *#runsIn(text: string): Generator<{ from: number; to: number; form: string }> {
    if (this.#windows.size === 0) return
    const [heads, mask] = [this.#heads, this.#heads.length - 1]
    for (let at = 0, end = 0; at + windowLength <= text.length; at += 1) {
      if (heads[headAt(text, at) & mask] === 0) continue
      const place = this.#windows.get(text.slice(at, at + windowLength))
      if (place === undefined) continue
      const { form } = place
      const shift = at - place.at
      let [from, to] = [at, at + windowLength]
      while (from > end && from > shift && text[from - 1] === form[from - 1 - shift]) from -= 1
      while (to < text.length && text[to] === form[to - shift]) to += 1
      yield { from, to, form }
      end = to
      // Another secret may begin as this one, and go on.
      at = to - windowLength
    }
  }

  #enter(form: string, upTo: number): void {
    const last = Math.min(form.length, upTo) - windowLength
    for (let next = 0; next < last + step; next += step) {
      const at = Math.min(next, last)
      const window = form.slice(at, at + windowLength)
      if (this.#windows.has(window) || isFilling(window)) continue
      this.#windows.set(window, { form, at })
      this.#mark(window)
    }
  }

  #mark(window: string): void {
    if (this.#windows.size * 8 > this.#heads.length) {
      this.#heads = new Uint8Array(this.#heads.length * 4)
      for (const known of this.#windows.keys()) this.#mark(known)
    }
    this.#heads[headAt(window, 0) & (this.#heads.length - 1)] = 1
  }
}

/** Names the secrets that were removed from a text. */
export function removalsIn(text: string): string[] {
  return [...text.matchAll(removal)].map(([, secret]) => `a secret that begins with ${secret}`)
}

/** Enough to tell two secrets apart, and no more than a third of one; of characters that stand in any text. */
function beginning(form: string): string {
  const kept = form.slice(0, Math.min(keptCharacters, form.length / 3))
  return `${kept.replaceAll(/[^A-Za-z0-9_-]/g, '.')}…`
}

function isFilling(value: Iterable<unknown>): boolean {
  return new Set(value).size < fewestCharacters
}

/** A text as others write it. Upper and lower case tell two secrets apart, but in hexadecimal they are the same digits. */
function writingsOf(value: string): Set<string> {
  const escaped = (text: string) => JSON.stringify(text).slice(1, -1)
  const once = escaped(value)
  const digits = /^[0-9a-f]+$/i.test(value) ? [value.toLowerCase(), value.toUpperCase()] : []
  // A log line that is JSON is a text in the JSON of its event.
  return new Set([value, once, escaped(once), encodeURIComponent(value.toWellFormed()), ...digits])
}

/** Bytes in hexadecimal and in base64, where something may stand before and after them. */
function encodingsOf(value: string | Uint8Array): Set<string> {
  const bytes = Buffer.from(value as Uint8Array)
  const forms = [bytes.toString('hex'), bytes.toString('hex').toUpperCase()]
  for (const before of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(before), bytes])
    // Characters that hold bits of a neighbour are left out.
    const [from, to] = [Math.ceil((before * 8) / 6), Math.floor((shifted.length * 8) / 6)]
    forms.push(shifted.toString('base64').slice(from, to), shifted.toString('base64url').slice(from, to))
  }
  return new Set(forms)
}

/** A hash of the first characters of a window. */
function headAt(text: string, at: number): number {
  let hash = text.charCodeAt(at)
  for (let next = 1; next < 5; next += 1) hash = Math.imul(hash, 131) + text.charCodeAt(at + next)
  hash = Math.imul(hash, 0x9e3779b1)
  return hash ^ (hash >>> 15)
}
