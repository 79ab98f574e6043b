/** What the files of one folder may import. The first rule whose `folder` holds a file decides about it. */
export interface Rule {
  /** Folder below the root, with a slash at its end. */
  readonly folder: string
  /** Folders of our own that it may import from. */
  readonly may: readonly string[]
  /** Files among them that it is handed by name, and does not import. */
  readonly handed?: RegExp
  /** Tests put together what they need: the next rule decides about them. */
  readonly exceptTests?: boolean
  /** The only packages that it may import; absent when any is fine. `node:` stands for all of Node, `holdfast/demonstrations/` for all below it. */
  readonly packages?: readonly string[]
  /** Why, for whoever breaks it. */
  readonly because: string
}

/** Folders of the harness, the lowest first: each imports from itself and from what stands before it, and never back. */
const layers = [
  ...['pki', 'tokens', 'topology', 'credentials', 'trust', 'evidence', 'toolchain', 'faults', 'kinds', 'agent'],
  ...['protocols', 'counterparts', 'backends', 'site', 'attacks', 'vitest', 'demonstrations', 'cli'],
]
/** What stands by itself in the folder of the harness: the first two are for everybody, the lists of all that is shipped for the last. */
const common = ['harness/errors.ts', 'harness/settings.ts']
const users = ['vitest', 'demonstrations', 'cli']

/**
 * `scenarios → harness → (nothing of services)`, and `services → services/shared`: the harness and the services meet
 * only through the wire, the plan and the decision log.
 */
export const rules: readonly Rule[] = [
  {
    folder: 'scenarios/',
    may: ['scenarios/'],
    // A topology of its own is declared by `holdfast`, with settings of its kinds by zod.
    packages: ['holdfast/vitest', 'holdfast/demonstrations/', 'holdfast', 'zod', 'node:'],
    because: 'a scenario needs the package alone, so that it runs unchanged in a project of its own',
  },
  {
    folder: 'harness/demonstrations/federation/',
    may: ['harness/', 'services/federation-gateway/wire/'],
    because:
      'it knows its service by the wire alone, whose schemas are pure: one spelling serves both ends and whoever tests them',
  },
  ...layers.map((layer, at) => ({
    folder: `harness/${layer}/`,
    may: [
      ...layers.slice(0, at + 1).map((below) => `harness/${below}/`),
      ...common,
      ...(users.includes(layer) ? ['harness/shipped.ts', 'harness/shipped-families.ts'] : []),
    ],
    ...(at > layers.indexOf('protocols') && { handed: /^harness\/protocols\/[^/]+\/index\.ts$/ }),
    exceptTests: true,
    because: `in the harness imports run one way: ${layer}/ stands on ${layers.slice(0, at).join(', ') || 'nothing'}, and is handed protocols by their names`,
  })),
  {
    folder: 'harness/',
    may: ['harness/'],
    because: 'the harness knows services by the wire, the plan and the decision log only',
  },
  {
    folder: 'services/federation-cli/',
    may: [
      ...['services/federation-cli/', 'services/shared/'],
      ...['calls/', 'wire/', 'ids.ts', 'enrolment/url.ts', 'certificates/pem.ts', 'start/secret-text.ts'].map(
        (part) => `services/federation-gateway/${part}`,
      ),
    ],
    exceptTests: true,
    because: "it is a client of the gateway: it knows the gateway's wire, and nothing of its storage",
  },
  {
    // What its tests put together.
    folder: 'services/federation-cli/',
    may: ['services/federation-cli/', 'services/shared/', 'services/federation-gateway/'],
    because: 'it is a client of the gateway, and of no other service',
  },
  {
    folder: 'services/p2p/',
    may: [
      ...['services/p2p/', 'services/shared/'],
      ...['token/', 'exposure/', 'settings.ts'].map((part) => `services/bearer-node/${part}`),
    ],
    because:
      'it is a client of the node: it finds its token, and judges where that may go, as the node does; the rest it knows by the wire',
  },
  ...['shared', '*'].map((service) => ({
    folder: `services/${service}/`,
    may: [`services/${service}/`, 'services/shared/'],
    because:
      'a service is a program in its own right: it shares services/shared with the others, and nothing with the harness',
  })),
]
