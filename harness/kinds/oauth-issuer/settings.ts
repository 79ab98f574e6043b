import { z } from 'zod'
import { duration, name, port, text } from '../../topology/schema.ts'
import { isThereOnce, startSettings, texts } from '../own-program.ts'
import { signingAlgs } from '../step-command.ts'

const client = z.strictObject({
  auth: z
    .enum(['tls_client_auth', 'self_signed_tls_client_auth'])
    .default('tls_client_auth')
    .describe(
      'How it proves itself: by the name in its certificate, or by that very certificate (RFC 8705 sections 2.1 and 2.2).',
    ),
  id: z.string().min(1).optional().describe('Its `client_id`. Default: the name of its node.'),
  sub: z.string().min(1).optional().describe('What stands in `sub` of its tokens. Default: its `client_id`.'),
})

/** What a topology says about an OAuth server of the user's own. */
export const issuerSettings = z
  .strictObject({
    ...startSettings,
    listen: port.default(8443).describe('Port that it listens on, at the address that it is told.'),
    path: text(/^(\/[A-Za-z0-9._~-]+)*$/, 'must be a path without an end, `/realms/corp`')
      .default('')
      .describe('With `run`: the path of its identifier, behind `https://<host of the node>:<listen>`.'),
    url: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .optional()
      .describe('Instead of `run`: the identifier of a server that is up already, as it stands in `iss`.'),
    ca: z
      .string()
      .optional()
      .describe(
        'With `url`: the file of the roots that its own certificate leads to, PEM; or `system`: those that this machine trusts (`SSL_CERT_FILE`).',
      ),
    trust: z
      .string()
      .optional()
      .describe(
        'With `url`: the folder that gets `ca.pem` and `clients.json` of each run, where a server can be told of them.',
      ),
    reload: texts.optional().describe('With `trust`: program and arguments that make the server read them.'),
    certificate: z
      .string()
      .optional()
      .describe('With `run`: certificate credential of this node. Default: `cert-<node>`.'),
    clients: z
      .record(name, client)
      .default({})
      .describe(
        'How nodes that hold its tokens, or ask it about tokens, are registered there, where they are not as their names say.',
      ),
    parameters: z
      .record(z.string(), z.string())
      .default({ scope: '@{scope}', resource: '@{audience}' })
      .describe(
        'What a request for a token says beside `grant_type` and `client_id`: `@{scope}` and `@{audience}` are those of the token, where the server takes them.',
      ),
    tokens: z
      .enum(['jwt', 'opaque'])
      .default('jwt')
      .describe('Whether its access tokens are JWTs (RFC 9068), or texts about which it must be asked (RFC 7662).'),
    lifetime: duration.default('5m').describe('How long its tokens live: they are asked for anew before that.'),
    alg: z
      .enum(signingAlgs)
      .default('ES256')
      .describe('Algorithm that signs its tokens: with a key of this one what it would never sign is tried.'),
    readyWithin: duration.default('20s').describe('With `run`: how long it may take until it serves its certificate.'),
    env: z
      .record(z.string(), z.string())
      .default({})
      .describe('With `run`: further environment; `@{port}` and so on are filled in.'),
  })
  .refine(...isThereOnce)
  .refine(({ url, ca }) => (url === undefined) === (ca === undefined), {
    path: ['ca'],
    error:
      'goes with url, and url with ca: the file of the root of its certificate, or "system" for the roots that this machine trusts',
  })
  .refine(({ url, trust }) => trust === undefined || url !== undefined, 'has trust, which goes with url')
  .refine(({ trust, reload }) => reload === undefined || trust !== undefined, 'has reload, which goes with trust')
  .describe(
    'An OAuth server of your own, started or up already, whose tokens are bound to the certificate that asks for them (RFC 8705). Its endpoints are found in its metadata (RFC 8414, or OpenID Connect Discovery).',
  )

export type IssuerSettings = z.output<typeof issuerSettings>
