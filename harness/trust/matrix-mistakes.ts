import { HoldfastError } from '../errors.ts'

export interface MatrixMistake {
  /** Target and action. */
  place: string
  message: string
  wayOut: string
}

/** What a topology declares and what its targets check do not fit together. Code `HOLDFAST_MATRIX_NOT_DERIVABLE`. */
export class MatrixNotDerivable extends HoldfastError {
  readonly mistakes: readonly MatrixMistake[]

  constructor(topology: string, mistakes: readonly MatrixMistake[]) {
    const lines = mistakes.map(({ place, message, wayOut }) => `- ${place}: ${message}; ${wayOut}`)
    super('HOLDFAST_MATRIX_NOT_DERIVABLE', [`topology ${topology}: no matrix can be derived`, ...lines].join('\n'))
    this.mistakes = mistakes
  }
}
