import { HoldfastError } from '../../errors.ts'
import type { ScenarioSite } from '../../site/scenario-site.ts'

export interface Found {
  readonly node: string
  readonly file: string
  /** How it stands there. */
  readonly form: string
  readonly needle: string
}

/** A text, or bytes with a name for whoever reads of them. */
export type Needle = string | { readonly name: string; readonly bytes: Uint8Array }

/** What was looked through. */
export interface Looked {
  readonly found: readonly Found[]
  readonly files: number
  readonly bytes: number
}

/**
 * Runs on the node: looks for texts in every file of its folder, as they are, in the escapes of JSON and of URLs, in UTF-16, hexadecimal and
 * base64 (wherever in a text they begin), and in whatever is compressed there by deflate, whether as a file or within one.
 */
const look = `
  const { lstatSync, readdirSync, readFileSync } = require('node:fs')
  const { join } = require('node:path')
  const zlib = require('node:zlib')
  const needles = JSON.parse(readFileSync(0, 'utf8'))
  const inner = (bytes, shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64').replace(/=+$/, '')
    return whole.slice(shift === 0 ? 0 : shift + 1, shift + bytes.length % 3 === 0 ? undefined : -1)
  }
  const formsOf = ({ needle: text, hex }) => {
    const bytes = Buffer.from(hex, 'hex')
    const escaped = [...text].map((one) => '\\\\u' + one.charCodeAt(0).toString(16).padStart(4, '0')).join('')
    const percent = [...bytes].map((one) => '%' + one.toString(16).padStart(2, '0')).join('')
    const base64 = [0, 1, 2].map((shift) => inner(bytes, shift))
    return [
      ['raw', bytes], ['UTF-16', Buffer.from(text, 'utf16le')], ['escaped', Buffer.from(escaped)],
      ['percent', Buffer.from(percent)], ['percent', Buffer.from(percent.toUpperCase())],
      ['hexadecimal', Buffer.from(bytes.toString('hex'))], ['hexadecimal', Buffer.from(bytes.toString('hex').toUpperCase())],
      ...base64.map((one) => ['base64', Buffer.from(one)]),
      ...base64.map((one) => ['base64url', Buffer.from(one.replaceAll('+', '-').replaceAll('/', '_'))]),
    ]
  }
  // By their first four bytes: most places of a file are passed over at once.
  const heads = new Uint8Array(1 << 16)
  const wanted = new Map()
  for (const one of needles) {
    const { needle } = one
    for (const [form, bytes] of formsOf(one)) {
      const head = bytes.readUInt32BE(0)
      heads[(head ^ (head >>> 16)) & 0xffff] = 1
      wanted.set(head, [...(wanted.get(head) ?? []), { needle, form, bytes }])
    }
  }
  const found = []
  const seen = new Set()
  const search = (file, content, how) => {
    let head = 0
    for (let at = 0; at < content.length; at += 1) {
      head = ((head << 8) | content[at]) >>> 0
      if (heads[(head ^ (head >>> 16)) & 0xffff] === 0) continue
      for (const { needle, form, bytes } of wanted.get(head) ?? []) {
        const from = at - 3
        if (from < 0 || !content.subarray(from, from + bytes.length).equals(bytes)) continue
        const key = file + ' ' + how + form + ' ' + needle
        if (!seen.has(key)) found.push({ file, form: how + form, needle })
        seen.add(key)
      }
    }
  }
  const limits = { maxOutputLength: 16777216, finishFlush: zlib.constants.Z_SYNC_FLUSH }
  const inflated = (content) => {
    const texts = []
    for (let at = 0; at + 2 < content.length; at += 1) {
      const isGzip = content[at] === 0x1f && content[at + 1] === 0x8b && content[at + 2] === 8
      const isZlib = content[at] === 0x78 && (content[at] * 256 + content[at + 1]) % 31 === 0
      if (!isGzip && !isZlib) continue
      try { texts.push((isGzip ? zlib.gunzipSync : zlib.inflateSync)(content.subarray(at, at + 1048576), limits)) } catch {}
    }
    return texts
  }
  let [files, bytes] = [0, 0]
  const walk = (folder) => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      let facts
      let content
      try {
        facts = lstatSync(path)
        if (facts.isDirectory()) { walk(path); continue }
        if (!facts.isFile()) continue
        content = readFileSync(path)
      } catch (failure) {
        // A database removes files of its own.
        if (failure.code === 'ENOENT') continue
        throw failure
      }
      files += 1
      bytes += content.length
      search(path, content, '')
      for (const text of inflated(content)) search(path, text, 'compressed ')
    }
  }
  walk(process.argv[1])
  process.stdout.write(JSON.stringify({ found, files, bytes }))`

/** A node was not looked through. Code `HOLDFAST_DISK_UNSEEN`. */
class DiskUnseen extends HoldfastError {
  constructor(node: string, why: string) {
    super('HOLDFAST_DISK_UNSEEN', `${node}: its files were not looked through: ${why.trim().slice(0, 400)}`)
  }
}

/** Looks through all that lies on these nodes, also what their databases have. */
export async function lookThrough(
  site: ScenarioSite,
  nodes: readonly string[],
  needles: readonly Needle[],
): Promise<Looked> {
  const sought = needles.map((one) => {
    const bytes = typeof one === 'string' ? Buffer.from(one) : Buffer.from(one.bytes)
    return { needle: typeof one === 'string' ? one : one.name, hex: bytes.toString('hex') }
  })
  const looked = await Promise.all(
    nodes.map(async (name) => {
      const node = site.node(name)
      const { code, stdout, stderr } = await node.exec(['node', '-e', look, node.dir], {
        input: JSON.stringify(sought),
      })
      if (code !== 0) throw new DiskUnseen(name, stderr)
      const { found, ...counts } = JSON.parse(stdout) as Looked
      return { found: found.map((one) => ({ ...one, node: name })), ...counts }
    }),
  )
  return {
    found: looked.flatMap(({ found }) => found),
    files: looked.reduce((sum, { files }) => sum + files, 0),
    bytes: looked.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}
