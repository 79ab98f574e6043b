import { z } from 'zod'
import { hostText, name, port } from '../../topology/schema.ts'
import { resources } from './resources.ts'

const seconds = (least: number, most: number) => z.int().min(least).max(most)
const perMinute = z.int().min(1)

const oid = z.string().regex(/^[0-2](\.(0|[1-9][0-9]*)){2,}$/, 'must be an OID such as 1.3.6.1.4.1.99999.1')

export const settings = z
  .strictObject({
    tier: z
      .enum(['standalone', 'federated'])
      .default('federated')
      .describe('Whether it lends and asks (`federated`), or keeps to itself.'),
    database: name.describe('Node of its database.'),
    ca: name
      .optional()
      .describe('Node of the CA that signs the certificates of its peers. Federated gateways need one.'),
    provisioner: name
      .default('fed-provisioner')
      .describe('Credential of kind jwk that its node holds: the key with which it has those certificates signed.'),
    certificate: name
      .optional()
      .describe('The certificate credential of its node, for servers alone. Default: `<node>-tls`.'),
    import: z
      .union([z.string().min(1), z.record(z.string(), z.unknown())])
      .optional()
      .describe(
        'What is imported before its first start: a file of JSON, or what such a file holds. Default: nothing.',
      ),
    scopes: z
      .record(
        name,
        z.looseObject({
          resources: z.array(z.string()),
          excluded_resources: z.array(z.string()).optional(),
          filters: z
            .record(
              z.string(),
              z.looseObject({
                include_teams: z.array(z.string()).optional(),
                include_personal: z.boolean().optional(),
              }),
            )
            .optional(),
        }),
      )
      .default({})
      .describe('Scope documents, as grants of the topology name them.'),
    rows: z
      .partialRecord(z.enum(resources), z.record(name, z.string()))
      .default({})
      .describe('Ids of rows among what it imports that peers ask for one by one, by resource and a name for each.'),
    invites: z
      .array(name)
      .default([])
      .describe('Grants that it issues, for each of which it writes an invitation for the gateway that holds it.'),
    federates: z
      .record(name, z.string().min(1))
      .default({})
      .describe(
        'Invitations that it takes up: the grant, and its own user for whom it is. That lender invites for it.',
      ),
    publicName: hostText.optional().describe('Its common name, as others call it. Default: the host of its node.'),
    leafSeconds: seconds(30, 86_400).optional().describe('Life of a certificate of a peer. Default 300.'),
    leafCapSeconds: seconds(30, 86_400).optional().describe('Longest one that is given out. Default 900.'),
    overlapSeconds: seconds(0, 600)
      .optional()
      .describe('For how long a certificate is good once its successor was used. Default 60.'),
    crlSeconds: seconds(1, 3_600)
      .optional()
      .describe('How often it fetches the list of revoked certificates. Default 30.'),
    oids: z
      .strictObject({ grant: oid, subject: oid })
      .partial()
      .optional()
      .describe('Extensions that name grant and subject. Default: …99999.1 and …99999.2.'),
    limits: z
      .strictObject({
        perGrant: perMinute.max(6_000),
        perLeaf: perMinute.max(100_000),
        enrolmentsPerAddress: perMinute.max(10_000),
        enrolments: perMinute.max(100_000),
        authenticationsPerAddress: perMinute.max(10_000),
      })
      .partial()
      .prefault({})
      .describe(
        'Calls a minute. Default here: of a grant, and of enrolments and failed tokens, as many as it can be told, since whoever tests refusals is refused often, from one address.',
      ),
    ports: z
      .strictObject({ public: port.default(8443), federation: port.default(8444) })
      .prefault({})
      .describe('Ports of its two listeners.'),
  })
  .refine(({ tier, ca }) => tier !== 'federated' || ca !== undefined, {
    path: ['ca'],
    error: 'is missing, and a federated gateway needs one; name the node of the CA of its peers',
  })
  .describe('A gateway over a database of its own that lends scoped rows to gateways of others, and asks theirs.')

export type Settings = z.output<typeof settings>
