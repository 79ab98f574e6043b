/**
 * The types of each credential kind, by its name: what a topology says of one, what a plan says of it, and what a service kind offers
 * that issues it. Each kind adds its own in its folder.
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled where the kinds are
export interface CredentialTypes {}

export type CredentialKindName = keyof CredentialTypes
export type CredentialDeclaration = CredentialTypes[CredentialKindName]['declared']
export type PlanCredentialOf<Name extends CredentialKindName> = CredentialTypes[Name]['planned']
export type OfferOf<Name extends CredentialKindName> = CredentialTypes[Name]['offered']
