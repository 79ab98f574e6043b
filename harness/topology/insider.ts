import type { HttpCall, Template } from './plan.ts'
import type { PlannedCheck } from './verification.ts'

/**
 * What somebody inside a unit has, or can have done there: said by its kind, so that tests need not know any kind. A test that needs
 * what is absent is refused. Templates are those of the unit.
 */
export interface Insider {
  /** Keys of a CA: the one that it signs with, and that of its root where that is ours; each with the file of its password, if it has one. */
  signs?: {
    issuing: { cert: Template; key: Template; password?: Template }
    root: { cert: Template; key?: Template; password?: Template }
  }
  /**
   * The private JWK that tokens are signed with at first; what its decision records call a question about a token. `beside`: its public
   * half, where the issuer does not publish it, for those who are told which keys to believe.
   */
  mints?: { signingKey: Template; asked?: string; beside?: Template }
  /**
   * A database, whose unit and listener are named, with the role that owns it. `password`: file on its node, in templates of that. `host`: where
   * it is, if not at its node. `tls`: whether nobody comes in without. `ca`: the roots that its certificate leads to, a file of this machine or
   * `system`; default: that of the trust domain.
   */
  stores?: {
    unit: string
    listener: string
    host?: string
    database: string
    owner: string
    password: Template
    tls: boolean
    ca?: string | undefined
  }
  /**
   * A CA that revokes, whose unit is named. What whoever judges its certificates needs beside its root, as files on its node, in templates of
   * that: the certificate that it signs with, and the CRL of its root.
   */
  revokes?: { unit: string; listener: string; issuing: Template; rootCrl: Template }
  /** Somebody else's: what is not said of it is not ours, and a test that needs it did not run. */
  foreign?: true
  /** The issuer whose key set it is told: from `file`, to which a key can be added, or by the issuer itself. */
  believes?: { issuer: string; keys: 'file' | 'issuer' }
  /** The listeners of an issuer that tell its keys and serve its clients: those of whatever stands in for it. */
  standIn?: { keys: string; clients: string }
  /** The listener at which operators are let in, and the DNS SANs of their certificates. */
  operator?: { listener: string; sans: readonly string[] }
  /** How one token is ended, whose `jti` is added to the JSON; and at once all that were signed with the key of now. */
  ends?: { revoke: HttpCall; rotate: HttpCall }
  /**
   * A secret beside which it can be told another one while it runs, whose credential is named: units that are run on demand, `second` with that as
   * its input, `alone` to have it accept none but its own. `accepts`: what tells of each that it accepts, by ref.
   */
  rolls?: { credential: string; second: string; alone: string; accepts: HttpCall }
  /** The node whose issuer it may ask about tokens, and audiences of those that it is shown. */
  asks?: { issuer: string; audiences: readonly string[] }
  /** What it checks of calls about which another unit of its node asks it: once those who are let in without it are settled, the rest. */
  decides?: readonly PlannedCheck[]
  /** Ids of its guards, in the order in which they judge those calls. */
  judges?: readonly string[]
  /** What those may whom it lets in with a token, in subjects in which `{{tag(host)}}` stands for that of the token. */
  admits?: { publish: readonly string[]; subscribe: readonly string[] }
  /** Its configuration, a JSON file; members of it (`peering.listen`) that say where it listens and writes; the argument that only checks it. */
  start?: { configuration: Template; listens: readonly string[]; writes: readonly string[]; check: string }
}
