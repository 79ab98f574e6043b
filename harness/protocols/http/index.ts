import { z } from 'zod'
import type { Call, Observing, Prepared, Protocol } from '../protocol.ts'
import { calledBy, type HttpAnswer } from './answer.ts'
import { carried, carry } from './carry.ts'
import { curlCommand } from './curl.ts'
import { type Answer, exchange, type HeaderLines, type Request } from './exchange.ts'
import { answeringInHttp, type HttpExpected } from './expected.ts'
import { elementsOf, endpointFor, type HttpOptions, plainOf } from './options.ts'
import { sendAfter, sendRaw } from './raw-call.ts'

const request = z.strictObject({
  method: z.string().min(1),
  path: z.string().startsWith('/'),
  json: z.unknown().optional(),
  form: z.record(z.string(), z.string()).optional(),
  carry: carry.optional(),
  /** Statuses that an accepted caller gets. */
  expect: z.array(z.int()).min(1),
})

export type HttpRequest = z.output<typeof request>

/** What a target shows is JSON under each path. */
const observation: Observing<{ paths: string[] }> = {
  request: z.strictObject({ paths: z.array(z.string().startsWith('/')).min(1) }),
  async picture({ paths }, as) {
    const seen = paths.map(async (path) => {
      const { status, json } = await as.get(path)
      if (status !== 200) throw new Error(`${as.host}${path} answered ${status} to the one who looks`)
      return [path, json] as const
    })
    return Object.fromEntries(await Promise.all(seen))
  },
}

/** One request over a connection of its own. */
export const http: Protocol<HttpRequest, HttpAnswer, HttpExpected, HttpOptions> = {
  ...answeringInHttp,
  name: 'http',
  request,
  options: ['headers', 'method', 'path', 'json', 'form', 'body', 'handshake', 'raw'],
  prepare,
  paste: curlCommand,
  observation,
}

function prepare(call: Call<HttpRequest, HttpOptions>): Prepared<HttpAnswer, HttpOptions> {
  const { request: declared, presented, before, options } = call
  const method = options.method ?? declared.method
  const content = contentOf({ ...declared, ...options })
  const path = options.path ?? declared.path
  const { headers, parts } = carried(presented, declared.carry, options.headers)
  const asking = (lines: HeaderLines) => ({ ...content, method, path, headers: [...content.headers, ...lines] })
  const isPromised = ({ status, failure }: Pick<Answer, 'status' | 'failure'>) =>
    status !== null && !failure && declared.expect.includes(status)
  return {
    elements: { ...elementsOf(call, path), method, body: content.body ?? '' },
    carried: parts,
    plain: plainOf(options),
    async send(to) {
      const endpoint = endpointFor(to, call)
      if (options.raw !== undefined) return sendRaw(endpoint, asking(headers), options.raw, isPromised)
      if (before === undefined) return calledBy(await exchange(endpoint, asking(headers)), isPromised)
      const first = asking(carried(before, declared.carry).headers)
      return sendAfter(endpoint, first, asking(headers), isPromised)
    },
  }
}

function contentOf({ body, form, json }: HttpOptions): Pick<Request, 'headers' | 'body'> {
  if (form !== undefined && body === undefined) {
    const type = 'application/x-www-form-urlencoded'
    return { headers: [['Content-Type', type]], body: new URLSearchParams(form).toString() }
  }
  const text = body ?? (json === undefined ? undefined : JSON.stringify(json))
  return text === undefined ? { headers: [] } : { headers: [['Content-Type', 'application/json']], body: text }
}
