import { z } from 'zod'
import { name, port, text } from '../../topology/schema.ts'

/** By header field: its value, in which nginx fills in variables. */
const fields = z
  .record(
    text(/^[\w-]+$/, 'must be the name of a header field'),
    text(/^[^"\\\r\n]*$/, 'must be one line without quotes'),
  )
  .default({})

export const settings = z
  .strictObject({
    upstream: name.describe('Node that it hands calls on to.'),
    listener: z.string().default('main').describe('The listener of that node.'),
    authorization: z
      .enum(['forward', 'plain', 'strip', 'no-headers', 'cache', 'constant'])
      .default('forward')
      .describe(
        'What becomes of `Authorization`: `forward` names it; `plain` says nothing of it, so that nginx hands it on by itself; `strip` and `no-headers` take it away; `cache` keeps what is answered, for everybody; `constant` would be one credential for everybody, and is refused.',
      ),
    headers: fields.describe(
      'Header fields that it sets for all locations (`proxy_set_header`). An empty one is taken away.',
    ),
    locations: z
      .record(text(/^\/[\w./~-]*$/, 'must be a path'), z.strictObject({ headers: fields }))
      .default({})
      .describe(
        'Locations with header fields of their own. Such a one inherits none, so that it has to repeat those of all.',
      ),
    ready: text(/^\/\S*$/, 'must be a path')
      .default('/readyz')
      .describe('Path that answers 200 through it once it is ready.'),
    tls: z.boolean().default(true).describe('Whether it speaks TLS, with its callers and with that node.'),
    certificate: name
      .optional()
      .describe('The certificate credential of its node, for both sides. Default: `cert-<node>`.'),
    port: port.default(8770).describe('Port that it listens on.'),
  })
  .describe('nginx in front of a node: what comes to it goes on there.')

export type Settings = z.output<typeof settings>
