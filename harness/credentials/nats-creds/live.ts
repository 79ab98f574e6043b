export interface CredsSummary {
  readonly user: string
}
