/** Something about the data of a topology that will make good calls fail, or bad ones for the wrong reason. It is no test result. */
export interface Finding {
  check: PreflightCheck
  /** The credential, unit or file that is wrong, and where it is. */
  thing: string
  place: string
  message: string
  wayOut: string
}

export type PreflightCheck =
  | 'key-fits'
  | 'host-covered'
  | 'chain-complete'
  | 'key-usage'
  | 'time-left'
  | 'issuer-text'
  | 'audience-text'
  | 'subject'
  | 'binding'
  | 'token-swapped'
  | 'key-published'
  | 'readable'

/** One line for people. */
export function findingText({ check, thing, place, message, wayOut }: Finding): string {
  return `${check}: ${thing} (${place}) ${message}; ${wayOut}`
}
