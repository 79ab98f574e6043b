import { z } from 'zod'
import { calledBy, type HttpAnswer } from '../http/answer.ts'
import { curlCommand } from '../http/curl.ts'
import { answeringInHttp, type HttpExpected } from '../http/expected.ts'
import { carry, type HttpOptions, preparedInHttp } from '../http/prepared.ts'
import type { Call, Prepared, Protocol } from '../protocol.ts'
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
  const { protocol, first } = call.request
  return preparedInHttp(call, {
    ...{ method: 'GET', headers: upgrading(protocol) },
    isPromised: ({ status }) => status === 101,
    untilTexts: Object.entries(first ?? {}).map(memberText),
    async send(endpoint, { path }, headers) {
      const { session, ...answer } = await upgrade(endpoint, { path, protocol, headers, first })
      return { ...calledBy(answer, () => session !== undefined), session }
    },
  })
}

/** As it stands in a frame of whoever accepts: his text is not masked (RFC 6455 section 5.1). */
function memberText([name, value]: [string, unknown]): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}
