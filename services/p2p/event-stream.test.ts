import { expect, test } from 'vitest'
import { eventsIn, type StreamEvent } from './event-stream.ts'

async function eventsOf(...chunks: (string | Uint8Array)[]): Promise<StreamEvent[]> {
  const events: StreamEvent[] = []
  const bytes = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk)
  })()
  for await (const event of eventsIn(bytes)) events.push(event)
  return events
}

const TEXT = ': comment\nevent: leader\nid: 7\ndata: {"leader":"orc-1",\ndata:"epoch":3}\n\ndata: é\n\n'
const EVENTS = [
  { event: 'leader', data: '{"leader":"orc-1",\n"epoch":3}' },
  { event: 'message', data: 'é' },
]

test('events are told by their lines, whichever end these have', async () => {
  for (const end of ['\n', '\r\n', '\r']) {
    // After a CR at the end of all that came, an LF could follow.
    expect(await eventsOf(TEXT.replaceAll('\n', end), end === '\r' ? ':\n' : '')).toEqual(EVENTS)
  }
})

test('wherever the bytes are cut', async () => {
  const bytes = Buffer.from(TEXT.replaceAll('\n', '\r\n'))
  for (let at = 0; at <= bytes.length; at += 1) {
    expect(await eventsOf(bytes.subarray(0, at), bytes.subarray(at))).toEqual(EVENTS)
  }
  expect(await eventsOf(...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(EVENTS)
})

test('what has no data is no event, and what has no end is none yet', async () => {
  expect(await eventsOf('event: x\n\n: only a comment\n\nretry: 3\n\ndata: not ended\n')).toEqual([])
})

test('an event that does not end is not kept for ever', async () => {
  const megabyte = 'x'.repeat(1024 * 1024)
  await expect(eventsOf(`data: ${megabyte}`)).rejects.toThrow('an event has no end')
  await expect(eventsOf(`data: ${megabyte}\n`, 'data: y')).rejects.toThrow('an event has no end')
})
