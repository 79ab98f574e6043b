import { z } from 'zod'
import { certificateEncodings } from '../../pki/certificate-header.ts'
import { durationSeconds } from '../../topology/duration.ts'
import { actionPattern, duration, port, text } from '../../topology/schema.ts'
import { isThereOnce, startSettings, texts } from '../own-program.ts'

const words = z
  .record(z.string(), z.string())
  .optional()
  .describe(
    'The program’s own word by our reason, `{ "cnf_x5t_mismatch": "wrong certificate" }`: only these are compared.',
  )

const pattern = z.string().refine(isExpression, 'must be a regular expression with a group (?<reason>…)')

const observe = z
  .union([
    z.literal('status', {
      error: 'must be "status", { "header": "X-Reason" } or { "log": "^(?<conn>…) refused: (?<reason>…)$" }',
    }),
    z.strictObject({
      log: pattern.describe('A log line of a decision, with the groups `reason` (empty: accepted) and `conn`.'),
      file: z.string().optional().describe('The file that it logs to. Default: what it prints.'),
      reasons: words,
    }),
    z.strictObject({
      header: z
        .string()
        .regex(/^[A-Za-z0-9-]+$/)
        .describe('Response header that holds the reason.'),
      reasons: words,
    }),
  ])
  .default('status')
  .describe('How a decision is seen. What is less than a decision record is named in every verdict that rests on it.')

/** `401 invalid_token`; `401` alone: no code; `401 ?`: a code or none; `401 *`: without a challenge, too. */
const answer = (standard: string) =>
  z
    .string()
    .regex(/^[45][0-9]{2}( (\*|\?|[a-z_]+))?$/, 'must be a status and a code, `401 invalid_token`')
    .default(standard)

/** RFC 6750 section 3.1: where nothing was presented there should be no code, and may be one. */
export const standardAnswers = { noToken: '401 ?', badToken: '401 invalid_token', scope: '403 insufficient_scope' }

const answers = z
  .strictObject({
    noToken: answer(standardAnswers.noToken),
    badToken: answer(standardAnswers.badToken),
    scope: answer(standardAnswers.scope),
  })
  .prefault({})
  .describe('What refused callers get, where it is not what RFC 6750 section 3.1 says.')

const behind = z
  .strictObject({
    kind: z
      .enum(['haproxy', 'nginx'])
      .describe('The proxy: the program of that name, as Debian packages it. It listens where `listen` says.'),
    config: z
      .string()
      .optional()
      .describe(
        'Its configuration, a file of your own in which `@{address}`, `@{port}`, `@{program_port}`, `@{cert}`, `@{key}`, `@{ca}`, `@{host}` and `@{dir}` are filled in. Default: one that hands the certificate on as it should.',
      ),
    listen: port.default(8080).describe('Port that the program listens on, in plain HTTP: `@{port}` for it.'),
    reach: z
      .enum(['network', 'host'])
      .default('network')
      .describe(
        'Who can open a connection to the program: `host` where it listens on loopback or a socket when it is deployed; then nothing is tried past the proxy.',
      ),
  })
  .optional()
  .describe('A proxy in front of the program, which ends TLS and hands the certificate of the caller on in a header.')

const serverCertificate = z
  .strictObject({
    ca: z
      .string()
      .min(1)
      .describe(
        'File of the roots that it leads to, PEM; or `system`: those that this machine trusts (`SSL_CERT_FILE`).',
      ),
    cert: z
      .string()
      .min(1)
      .optional()
      .describe('File of the certificate with its chain, PEM: `@{cert}` for the program.'),
    key: z.string().min(1).optional().describe('File of its key, PEM: `@{key}` for the program.'),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'must have both of cert and key, or neither')
  .optional()
  .describe(
    'What it serves with, where that is no certificate of the CA of its trust domain: of a public CA, say. Without `cert` the program has it by itself.',
  )

const certificateHeader = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9-]+$/)
      .describe('Its name.'),
    encoding: z
      .enum(certificateEncodings)
      .describe(
        '`rfc9440`: `:<base64 of the DER>:`; `url-pem`: PEM, URL-encoded; `base64`: base64 of the DER; `xfcc`: an element as Envoy writes it.',
      ),
  })
  .optional()
  .describe(
    'The header in which the program finds the certificate of the caller, where something in front of it ends TLS. Default with `behind`: `Client-Cert` as RFC 9440 has it.',
  )

/** What a topology says about a program of the user's own. */
export const execSettings = z
  .strictObject({
    ...startSettings,
    url: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .optional()
      .describe('Instead of `run`: where a service is up already. Its address and port count, no path.'),
    trust: z
      .string()
      .optional()
      .describe(
        'With `url`: the folder that gets `ca.pem`, `cert.pem`, `key.pem`, `jwks.json` and `trust.json` (issuer, audience, host) of each run.',
      ),
    reload: texts.optional().describe('With `url`: program and arguments that make the service read them.'),
    listen: port.default(8443).describe('Port that it listens on, at the address that it is told.'),
    clientCertificate: z
      .enum(['required', 'requested'])
      .default('required')
      .describe('Whether its TLS demands a certificate of the caller, or asks for one.'),
    certificate: z.string().optional().describe('Certificate credential of this node. Default: `cert-<node>`.'),
    serverCertificate,
    token: z
      .enum(['bearer', 'none'])
      .default('bearer')
      .describe('How a token is presented; `none`: the certificate alone is enough.'),
    issuer: z.string().optional().describe('Node whose tokens it accepts. Default: the issuer of its trust domain.'),
    audience: z
      .union([z.string().min(1), texts])
      .optional()
      .describe('What must stand in `aud`. Default: `https://<host of the node>`.'),
    scope: z.string().optional().describe('What must stand in `scope`. Default: it does not look at it.'),
    behind,
    certificateHeader,
    introspects: z.boolean().default(false).describe('Whether it asks the issuer about every token (RFC 7662).'),
    keys: z
      .union([z.enum(['file', 'issuer']), z.strictObject({ issuer: duration })])
      .default('file')
      .describe(
        'Where its keys come from: the file that it is given when it starts, or the issuer, asked within 12s (or `{ issuer: "40s" }`) for a key that it does not know.',
      ),
    leeway: duration
      .refine((text) => durationSeconds(text) <= 300, 'must be a few minutes at most (RFC 7519 section 4.1.4)')
      .default('60s')
      .describe(
        'How far its clock and the issuer’s may be apart: a token is refused that ended, or begins, beyond it.',
      ),
    action: text(actionPattern, 'must be an action such as orders:read')
      .default('call')
      .describe('What the call is named in `accepts` and in scenarios.'),
    request: text(/^[A-Z]+ \/\S*$/, 'must be a method and a path, `GET /orders`')
      .default('GET /')
      .describe('The call that is tried.'),
    body: z.unknown().optional().describe('JSON that it carries.'),
    expect: z
      .union([z.int(), z.array(z.int()).min(1)])
      .default(200)
      .describe('What an accepted caller gets.'),
    answers,
    strict: z
      .boolean()
      .default(false)
      .describe('Whether it refuses what the standards leave open, so that attacks of that kind are tried, too.'),
    observePath: text(/^\/\S*$/, 'must be a path')
      .optional()
      .describe(
        'A path whose JSON shows what calls change, read by who is accepted. Default: effects are not observed.',
      ),
    observe,
    readyWithin: duration.default('20s').describe('How long it may take until it serves its certificate.'),
    env: z
      .record(z.string(), z.string())
      .default({})
      .describe('Further environment; `@{port}` and so on are filled in.'),
  })
  .refine(...isThereOnce)
  .refine(
    ({ url, trust }) => (url === undefined) === (trust === undefined),
    'must have both of url and trust, or neither',
  )
  .refine(({ url, behind }) => url === undefined || behind === undefined, 'has behind, which goes with run')
  .refine(
    ({ listen, behind }) => listen !== behind?.listen,
    'must have a listen of its own in behind, which is the proxy’s else',
  )
  .refine(
    ({ behind, serverCertificate: served }) =>
      behind === undefined || served === undefined || served.cert !== undefined,
    'must have cert and key in serverCertificate: the proxy in front serves with them',
  )
  .refine(({ url, reload }) => url !== undefined || reload === undefined, 'has reload, which goes with url')
  .describe(
    'A program of your own, in any language: it is told by its environment where to listen and whom to believe.',
  )

export type ExecSettings = z.output<typeof execSettings>

function isExpression(text: string): boolean {
  try {
    new RegExp(text)
    return text.includes('(?<reason>')
  } catch {
    return false
  }
}
