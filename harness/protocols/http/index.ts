import { z } from 'zod'
import type { Call, Observing, Prepared, Protocol } from '../protocol.ts'
import { calledBy, type HttpAnswer } from './answer.ts'
import { curlCommand } from './curl.ts'
import { type Answer, exchange, type HeaderLines, type Request } from './exchange.ts'
import { answeringInHttp, type HttpExpected } from './expected.ts'
import { placed, placesIn } from './placed.ts'
import { carry, type HttpOptions, linesOf, preparedInHttp } from './prepared.ts'
import { bodyWith } from './put.ts'
import { sendAfter } from './raw-call.ts'

const request = z.strictObject({
  method: z.string().min(1),
  path: z.string().startsWith('/'),
  json: z.unknown().optional(),
  form: z.record(z.string(), z.string()).optional(),
  carry: carry.optional(),
  /** Further header lines. */
  fields: z.record(z.string().regex(/^[\w-]+$/), z.string()).optional(),
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
  options: ['headers', 'put', 'method', 'path', 'json', 'form', 'body', 'handshake', 'raw'],
  prepare,
  paste: curlCommand,
  observation,
}

function prepare(call: Call<HttpRequest, HttpOptions>): Prepared<HttpAnswer, HttpOptions> {
  const { presented, before, options } = call
  const declared = placed(call.request, presented)
  const body = bodyWith({ ...declared, ...options }, presented, options.put ?? {})
  const content = contentOf(body, declared.fields)
  const isPromised = ({ status, failure }: Pick<Answer, 'status' | 'failure'>) =>
    status !== null && !failure && declared.expect.includes(status)
  const prepared = preparedInHttp(
    { ...call, request: declared },
    {
      ...{ method: options.method ?? declared.method, ...content, isPromised },
      async send(endpoint, request) {
        if (before === undefined) return calledBy(await exchange(endpoint, request), isPromised)
        const first = { ...request, headers: [...content.headers, ...linesOf(before, declared.carry)] }
        return sendAfter(endpoint, first, request, isPromised)
      },
    },
  )
  const { path, json } = { ...call.request, ...options }
  return { ...prepared, carried: [...prepared.carried, ...placesIn({ path, json }, presented)] }
}

function contentOf(
  { body, form, json }: Pick<HttpOptions, 'body' | 'form' | 'json'>,
  fields: Readonly<Record<string, string>> = {},
): Pick<Request, 'headers' | 'body'> {
  const headers: HeaderLines = Object.entries(fields)
  if (form !== undefined && body === undefined) {
    const type = 'application/x-www-form-urlencoded'
    return { headers: [...headers, ['Content-Type', type]], body: new URLSearchParams(form).toString() }
  }
  const text = body ?? (json === undefined ? undefined : JSON.stringify(json))
  return text === undefined ? { headers } : { headers: [...headers, ['Content-Type', 'application/json']], body: text }
}
