import { Sender } from 'ws'
import type { Choices } from '../random.ts'
import { mutateBytes, mutateJson } from './mutate.ts'

// Part of the package's public face, which its types leave out.
declare module 'ws' {
  // biome-ignore lint/complexity/noStaticOnlyClass: it is one in the package, too
  export class Sender {
    static frame(
      data: Buffer,
      options: {
        opcode: number
        fin: boolean
        rsv1: boolean
        mask: boolean
        readOnly: boolean
        generateMask: (mask: Buffer) => void
      },
    ): Buffer[]
  }
}

/** What a session is told in good order: `open` first, then messages whose `seq` counts up. */
export interface Conversation {
  readonly node: string
  /** A domain that the node may announce. */
  readonly domain: string
}

export function openMessage({ node }: Conversation): object {
  return { type: 'open', version: 1, node, holdTimeMs: 90_000, session: '6f1d6a0e-6a55-4b0e-9d9e-0f2a3a1b7c55' }
}

export function updateMessage({ node, domain }: Conversation, seq: number): object {
  const route = { op: 'announce', domain, name: 'fuzzed', protocol: 'http', endpoint: 'https://c.test/', path: [node] }
  return { type: 'update', seq, routes: [route, { op: 'withdraw', domain, name: 'other' }], endOfSync: true }
}

/** A frame whose message was broken, or whose own bytes were, or that is of another kind. */
export function mutantFrame(choices: Choices, conversation: Conversation, seq: number): Buffer {
  const kind = choices.below(10)
  const message = choices.pick([
    openMessage(conversation),
    updateMessage(conversation, seq),
    updateMessage(conversation, seq),
    { type: 'keepalive', seq, refused: 0 },
    { type: 'close', code: 'shutdown' },
  ])
  const text = Buffer.from(kind < 6 ? mutateJson(choices, message) : JSON.stringify(message))
  if (kind < 6) return frame(text, {})
  if (kind === 6) return mutateBytes(choices, frame(text, {}))
  if (kind === 7) return frame(text, { opcode: choices.below(16), fin: choices.chance(0.7), rsv1: choices.chance(0.2) })
  if (kind === 8) return frame(mutateBytes(choices, text), { mask: choices.chance(0.5) })
  return frame(Buffer.alloc(choices.pick([0, 126, 65_536, 262_145]), 0x20), { opcode: choices.pick([1, 2, 8, 9, 10]) })
}

export function textFrame(message: object): Buffer {
  return frame(Buffer.from(JSON.stringify(message)), {})
}

function frame(data: Buffer, options: { opcode?: number; fin?: boolean; rsv1?: boolean; mask?: boolean }): Buffer {
  const { opcode = 1, fin = true, rsv1 = false, mask = true } = options
  // A copy, for masking changes the bytes where they are.
  const generateMask = (key: Buffer) => key.fill(0x5a)
  return Buffer.concat(Sender.frame(Buffer.from(data), { opcode, fin, rsv1, mask, readOnly: false, generateMask }))
}
