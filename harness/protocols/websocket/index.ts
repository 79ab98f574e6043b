import { z } from 'zod'
import { calledBy, type HttpAnswer } from '../http/answer.ts'
import { carried, carry } from '../http/carry.ts'
import { curlCommand } from '../http/curl.ts'
import { answeringInHttp, type HttpExpected } from '../http/expected.ts'
import { elementsOf, endpointFor, type HttpOptions, plainOf } from '../http/options.ts'
import { sendRaw } from '../http/raw-call.ts'
import type { Call, Called, Prepared, Protocol } from '../protocol.ts'
import { upgrade, upgrading } from './web-socket.ts'

const request = z.strictObject({
  path: z.string().startsWith('/'),
  /** The subprotocol that is asked for. */
  protocol: z.string(),
  /** Members of the first frame with which the far end opens the session. Default: being upgraded is enough. */
  first: z.record(z.string(), z.unknown()).optional(),
  carry: carry.optional(),
})

export type WebSocketRequest = z.output<typeof request>

/** An upgrade over a connection of its own, and the session behind it. */
export const websocket: Protocol<WebSocketRequest, HttpAnswer, HttpExpected, HttpOptions> = {
  ...answeringInHttp,
  name: 'websocket',
  request,
  options: ['headers', 'path', 'handshake', 'raw'],
  prepare,
  paste: ({ request: { path, protocol, carry }, ...call }) => {
    return curlCommand({ ...call, request: { path, carry, upgrade: upgrading(protocol) } })
  },
}

function prepare(call: Call<WebSocketRequest, HttpOptions>): Prepared<HttpAnswer, HttpOptions> {
  const { request: declared, presented, options } = call
  const { protocol, first = {} } = declared
  const path = options.path ?? declared.path
  const { headers, parts } = carried(presented, declared.carry, options.headers)
  return {
    elements: { ...elementsOf(call, path), method: 'GET', body: '' },
    carried: parts,
    plain: plainOf(options),
    async send(to): Promise<Called<HttpAnswer>> {
      const endpoint = endpointFor(to, call)
      if (options.raw !== undefined) {
        const asked = { method: 'GET', path, headers: [...upgrading(protocol), ...headers] }
        return sendRaw(endpoint, asked, options.raw, () => false, Object.entries(first).map(memberText))
      }
      const { session, ...answer } = await upgrade(endpoint, { path, protocol, headers, first: declared.first })
      return { ...calledBy(answer, () => session !== undefined), session }
    },
  }
}

/** As it stands in a frame of whoever accepts: his text is not masked (RFC 6455 section 5.1). */
function memberText([name, value]: [string, unknown]): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}
