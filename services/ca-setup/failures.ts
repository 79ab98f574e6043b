import { SetupError } from '../shared/setup-error.ts'

/** step did not do what it was asked. */
export class StepFailed extends SetupError {
  constructor(command: string, why: string, options?: ErrorOptions) {
    super('step_failed', `${command} ${why}`, options)
  }
}

/** The password would keep nobody out. */
export class PasswordWeak extends SetupError {
  constructor(file: string, why: string) {
    super('password_weak', `${file} ${why}`)
  }
}

/** Something that lies there is not what it was made as, so that nothing is built upon it, and nothing is made anew. */
export class AuthorityInvalid extends SetupError {
  constructor(file: string, why: string, options?: ErrorOptions) {
    const way = 'put it back from a backup, or move the folder away so that a new CA is made, whom nobody trusts yet'
    super('authority_invalid', `${file} ${why}; ${way}`, options)
  }
}

/** Somebody else could put keys of their own there. */
export class FolderOpen extends SetupError {
  constructor(folder: string) {
    super(
      'folder_open',
      `${folder} is a folder that somebody else could read or change; give it to this user, mode 0700`,
    )
  }
}
