/** One page of a list that is sorted by `cursor`. */
export interface Page<Item> {
  items: Item[]
  /** Where the next page begins; absent on the last one. */
  next?: string
}

const MOST = 1_000
const DEFAULT = 100

/** Reads `limit` (1 to 1 000, default 100) and `cursor`; undefined where one of them is malformed. */
export function pageOf<Item>(
  entries: readonly { cursor: string; item: Item }[],
  query: URLSearchParams,
): Page<Item> | undefined {
  const limitText = query.get('limit') ?? String(DEFAULT)
  const limit = /^[1-9]\d{0,3}$/.test(limitText) ? Number(limitText) : 0
  const cursorText = query.get('cursor')
  if (limit < 1 || limit > MOST || (cursorText !== null && !/^[A-Za-z0-9_-]{1,2048}$/.test(cursorText)))
    return undefined
  const after = cursorText === null ? '' : Buffer.from(cursorText, 'base64url').toString('utf8')
  const rest = entries.filter(({ cursor }) => cursor > after)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return {
    items: page.map(({ item }) => item),
    ...(last === undefined || rest.length === page.length
      ? {}
      : { next: Buffer.from(last.cursor).toString('base64url') }),
  }
}
