/** A line of a NATS broker about one connection of a client. */
export interface ClientLine {
  /** Which line of the log it is, beginning with 1. */
  readonly number: number
  /** Number of the connection at this broker, counted from its start. */
  readonly cid: number
  /** `address:port` of the client's end. */
  readonly conn: string
  /** Epoch ms at which it was written. */
  readonly at: number
  readonly level: string
  readonly text: string
}

/** `[pid] 2026/11/30 02:39:23.034 [DBG] 127.0.0.9:44615 - cid:7 - …`; who is in has a name of his own and his account before the text. */
const form =
  /^\[\d+\] (\d{4})\/(\d\d)\/(\d\d) (\d\d:\d\d:\d\d)\.(\d{3})\d* \[(\w{3})\] (\S+) - cid:(\d+)((?: - "(?:[^"\\]|\\.)*")*) - (.*)$/

/** Undefined for what the broker says of itself, and for what is no line of its log. Times are UTC: the broker is told to write them so. */
export function readLine(line: string, number: number): ClientLine | undefined {
  const [, year, month, day, time, ms, level = '', conn = '', cid, , text = ''] = form.exec(line) ?? []
  if (cid === undefined) return undefined
  return { number, cid: Number(cid), conn, at: Date.parse(`${year}-${month}-${day}T${time}.${ms}Z`), level, text }
}
