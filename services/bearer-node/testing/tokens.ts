/** Tokens that are told apart at a glance. */
export const OLD = `old-${'0123456789abcdef'.repeat(3)}`
export const NEW = `new-${'fedcba9876543210'.repeat(3)}`
export const OTHER = `other-${'00ff11ee22dd33cc'.repeat(3)}`

/** The environment of a process that was given nothing. */
export const NOTHING = {
  ...{ token: undefined, tokenAlias: undefined, file: undefined, fileAlias: undefined },
  ...{ withoutEffect: [], credentialsDirectory: undefined },
} as const
