import { SetupError } from '../shared/setup-error.ts'

/** nsc did not do what it was asked. */
export class NscFailed extends SetupError {
  constructor(command: string, why: string, options?: ErrorOptions) {
    super('nsc_failed', `${command} ${why}`, options)
  }
}

/** There is no whole setup to work with. */
export class SetupMissing extends SetupError {
  constructor(file: string, why: string) {
    super('setup_missing', `${file} ${why}; run nats-setup setup first`)
  }
}

/** A file of the setup is not what it was written as. */
export class OutputInvalid extends SetupError {
  constructor(file: string, why: string, options?: ErrorOptions) {
    const way = 'put it back from a backup, or move setup.json away so that everything is made anew'
    super('output_invalid', `${file} ${why}; ${way}`, options)
  }
}

/** Something would be handed over, or lies where it is, that must not leave this host. */
export class HandoverUnclean extends SetupError {
  constructor(path: string, why: string) {
    super('handover_unclean', `${path} ${why}; take it away, and find out who put it there`)
  }
}

/** The hand-over folder cannot be written as it was declared. */
export class HandoverFailed extends SetupError {
  constructor(folder: string, why: string, options?: ErrorOptions) {
    super('handover_failed', `${folder} ${why}`, options)
  }
}

/** No connection to the broker as the user that pushes. */
export class BrokerUnreachable extends SetupError {
  constructor(server: string, why: string, options?: ErrorOptions) {
    super(
      'broker_unreachable',
      `${server} cannot be asked (${why}); see that the broker is up and trusts this operator`,
      {
        ...options,
      },
    )
  }
}

/** The broker has claims that were issued after ours: pushing would put back what has ended since. */
export class ClaimsOlder extends SetupError {
  constructor(accounts: readonly string[]) {
    super(
      'claims_older',
      `the broker has newer claims of ${accounts.join(', ')} than this store; bring the newest store here, nothing was pushed`,
    )
  }
}

/** Not every account stands at the broker as it was pushed. */
export class PushIncomplete extends SetupError {
  constructor(accounts: readonly string[], why: string) {
    const way = "see that the broker can write its resolver's folder, and push again"
    super('push_incomplete', `the broker does not have the claims of ${accounts.join(', ')}: ${why}; ${way}`)
  }
}

/** The request to rotate or revoke cannot be followed. */
export class RequestInvalid extends SetupError {
  constructor(why: string) {
    super('request_invalid', why)
  }
}

/** Another one of these programs works on the same store. */
export class StoreBusy extends SetupError {
  constructor(file: string, options?: ErrorOptions) {
    super('store_busy', `${file} is held by another nats-setup; wait for it to end`, options)
  }
}
