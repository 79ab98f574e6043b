/** How much of a gateway there is: with a PostgreSQL of its own, with an external one, and with federation. */
export const TIERS = ['local', 'standalone', 'federated'] as const
