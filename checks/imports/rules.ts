/** What the files of one folder may import. The first rule whose `folder` holds a file decides about it. */
export interface Rule {
  /** Folder below the root, with a slash at its end. */
  readonly folder: string
  /** Folders of our own that it may import from. */
  readonly may: readonly string[]
  /** Exceptions from `may`. */
  readonly mayNot?: readonly string[]
  /** The only packages that it may import; absent when any is fine. `node:` stands for all of Node. */
  readonly packages?: readonly string[]
  /** Why, for whoever breaks it. */
  readonly because: string
}

const pure = 'what is declared, trusted and issued must not depend on where it runs'

/**
 * `scenarios → harness → (nothing of services)`, and `services → services/shared`: the harness and the services meet
 * only through the wire, the plan and the decision log.
 */
export const rules: readonly Rule[] = [
  {
    folder: 'scenarios/',
    may: ['scenarios/'],
    // A topology of its own is declared by `holdfast`, with settings of its kinds by zod.
    packages: ['holdfast/vitest', 'holdfast', 'zod', 'node:'],
    because: 'a scenario needs the package alone, so that it runs unchanged in a project of its own',
  },
  ...['topology', 'trust', 'pki', 'tokens'].map((part) => ({
    folder: `harness/${part}/`,
    may: ['harness/'],
    mayNot: ['harness/backends/', 'harness/cli/'],
    because: pure,
  })),
  {
    folder: 'harness/',
    may: ['harness/'],
    because: 'the harness knows services by the wire, the plan and the decision log only',
  },
  ...['shared', '*'].map((service) => ({
    folder: `services/${service}/`,
    may: [`services/${service}/`, 'services/shared/'],
    because:
      'a service is a program in its own right: it shares services/shared with the others, and nothing with the harness',
  })),
]
