import { z } from 'zod'
import { durationPattern, durationSeconds } from '../../topology/duration.ts'
import { name, port, text } from '../../topology/schema.ts'

const file = z.string().min(1)
const duration = text(durationPattern, 'must be a duration such as 10s, 10m or 24h')
/** It is that of a folder, too. */
const provisionerName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/, 'must be a name such as gateway-server')

const claims = z
  .strictObject({
    minTLSCertDuration: duration.optional().describe('Shortest life. Default: that of the CA.'),
    defaultTLSCertDuration: duration.optional().describe('Life where a request names none. Default: that of the CA.'),
    maxTLSCertDuration: duration.optional().describe('Longest life. Default: that of the CA.'),
    disableRenewal: z
      .boolean()
      .default(false)
      .describe('Whether its certificates cannot be renewed at the CA: whoever wants another one asks for it.'),
  })
  .describe('What its certificates may be, in the words of step-ca.')

const provisioner = z
  .strictObject({
    type: z.literal('JWK').default('JWK').describe('How it knows who may have a certificate: by a key.'),
    template: z
      .union([file, z.strictObject({ text: z.string().min(1) })])
      .optional()
      .describe(
        'File with a template of certificates, in the words of step-ca, or `{ text }`: the template itself. In it `@{crl_url}` stands for the URL of the CRL.',
      ),
    usages: z
      .array(z.enum(['serverAuth', 'clientAuth']))
      .min(1)
      .optional()
      .describe('What its certificates are for, where no template says so. Default: both ends of TLS.'),
    claims: claims.prefault({}),
  })
  .refine(({ template, usages }) => template === undefined || usages === undefined, {
    path: ['usages'],
    error: 'is what the template says; leave one of them out',
  })

const crl = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether it tells whom it revoked: at `/1.0/crl`.'),
    generateOnRevoke: z.boolean().default(true).describe('Whether it does so at once.'),
    cacheDuration: duration.default('24h').describe('How long a CRL is valid.'),
    renewPeriod: duration.optional().describe('How often it is made anew. Default: after two thirds of that.'),
    idpURL: z
      .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
      .optional()
      .describe('What it says of where it is: the same as its certificates. Default: `https://HOST:PORT/1.0/crl`.'),
  })
  .describe('Its certificate revocation list.')

export const settings = z
  .strictObject({
    minimumLifetime: duration.default('10s').describe('Shortest life of a certificate.'),
    maximumLifetime: duration.default('24h').describe('Longest life of a certificate.'),
    defaultLifetime: duration.default('10m').describe('Life of a certificate whose request names none.'),
    backdate: duration
      .optional()
      .describe(
        'How long before it was signed a certificate begins to be valid, for verifiers whose clocks are behind. The shortest life counts from there, the longest one does not. Default: not at all.',
      ),
    port: port.default(9000).describe('Port of its API.'),
    root: z
      .strictObject({ cert: file, key: file.optional(), password: file.optional() })
      .optional()
      .describe(
        'Your own root: files of PEM. With `key`, an intermediate is signed for each run. Default: one that is made anew for each run.',
      ),
    intermediate: z
      .strictObject({ cert: file, key: file, password: file.optional() })
      .optional()
      .describe(
        'Your own intermediate, which signs: `cert` holds it, then those between it and `root`. `password`: file with that of the key.',
      ),
    certificates: z
      .record(name, z.strictObject({ cert: file, key: file }))
      .default({})
      .describe(
        'Certificates that you have, by the name of their credential: files of PEM, `cert` with its chain, `key` not encrypted. Nobody signs another like one of these. With all of them here, `root` needs no key.',
      ),
    url: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .optional()
      .describe('A step-ca that is up already, below `root`. It is asked for certificates, and its key is not ours.'),
    provisioner: z
      .strictObject({ name: z.string().min(1), key: file.optional(), password: file.optional() })
      .refine(({ key, password }) => key !== undefined || password !== undefined, 'must have a key or a password')
      .optional()
      .describe(
        'With `url`: its JWK provisioner. `key`: file with its private JWK, encrypted or not; default: the CA is asked for it. `password`: file with that of the key.',
      ),
    provisioners: z
      .record(provisionerName, provisioner)
      .refine((all) => Object.keys(all).length > 0, 'must name at least one')
      .optional()
      .describe(
        'Several JWK provisioners, each with a key of its own, by name: `issuer = "NODE/NAME"`. The first is the one that is meant where none is named. Keys are encrypted then, and the CRL of the root is made, too.',
      ),
    crl: crl.optional(),
  })
  .refine(
    (all) =>
      all.url !== undefined ||
      all.root?.key !== undefined ||
      !all.root === !all.intermediate ||
      Object.keys(all.certificates).length > 0,
    {
      path: ['root'],
      error:
        'must have its key, or an intermediate with one, or certificates that it signed: { "cert": "root.pem", "key": "root.key" }',
    },
  )
  .refine(({ root, certificates }) => root !== undefined || Object.keys(certificates).length === 0, {
    path: ['certificates'],
    error: 'goes with root, which signed them: { "cert": "root.pem" }',
  })
  .refine(({ url, provisioner }) => (url === undefined) === (provisioner === undefined), {
    path: ['provisioner'],
    error: 'goes with url, and url with provisioner: { "name": "…", "password": "FILE" }',
  })
  .refine(({ url, root, intermediate }) => url === undefined || (root && !root.key && !intermediate), {
    path: ['url'],
    error: 'goes with root, { "cert": "root.pem" }: who is up has the keys and the intermediate',
  })
  .refine(({ provisioners, root, url }) => provisioners === undefined || (root === undefined && url === undefined), {
    path: ['provisioners'],
    error: 'goes without root and url: its root is made with them',
  })
  .refine(({ provisioners, crl }) => crl === undefined || provisioners !== undefined, {
    path: ['crl'],
    error: 'goes with provisioners, since who checks it needs the CRL of the root, too, which is made with them',
  })
  .describe(
    'A step-ca with one JWK provisioner of its own, or several: with a root and an intermediate of its own or with yours; or one that is up at a URL.',
  )

export type Settings = z.output<typeof settings>
export type Provisioner = NonNullable<Settings['provisioners']>[string]

/** Go knows no days. */
export function goDuration(text: string): string {
  return `${durationSeconds(text)}s`
}
