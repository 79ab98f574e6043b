import type { z } from 'zod'
import type { CredentialDeclaration, CredentialKindName, OfferOf, PlanCredentialOf } from './credential-types.ts'
import type { Insider } from './insider.ts'
import type { PlanUnit, Template, UnitRef } from './plan.ts'
import type { Topology } from './schema.ts'

/**
 * A service kind knows how to configure, start and probe one program. It is pure: it turns settings into plan data,
 * and every node agent can run what it returns. A topology names those of its own: `defineTopology({ kinds: [gateway], … })`.
 * `actions`, `observe` and `surfaces` are those of all its units whose own plan does not say so.
 */
export interface ServiceKind<Settings = unknown> extends Pick<PlanUnit, 'actions' | 'observe' | 'surfaces' | 'guards'> {
  readonly name: string
  /** One line: what the program is. */
  readonly summary: string
  readonly settings: z.ZodType<Settings>
  /** Turns one declared unit into what runs on the node. */
  plan(unit: UnitContext<Settings>): KindPlan
  /** What its units issue, by credential kind. */
  readonly offers?: { readonly [Name in CredentialKindName]?: (unit: UnitContext<Settings>) => OfferOf<Name> }
}

/**
 * Declares a service kind: `plan` gets the settings as their schema reads them.
 *
 * ```ts
 * export const greeter = defineKind({ name: 'greeter', summary: '…', settings: z.strictObject({ … }), plan: (unit) => ({ … }) })
 * ```
 */
export function defineKind<Schema extends z.ZodType>(
  kind: Omit<ServiceKind<z.output<Schema>>, 'settings'> & { readonly settings: Schema },
): ServiceKind {
  // A kind is called with settings that its own schema has read.
  return kind as unknown as ServiceKind
}

/** One unit of a kind. `actions`, `observe` and `surfaces`: where that follows from its settings. */
export interface KindPlan
  extends Pick<PlanUnit, 'summary' | 'files' | 'service' | 'decisionLog' | 'verification' | 'actions' | 'observe'>,
    Pick<
      PlanUnit,
      'surfaces' | 'proof' | 'program' | 'insider' | 'hop' | 'machine' | 'given' | 'userUnderRoot' | 'ownIpc'
    >,
    Partial<Pick<PlanUnit, 'steps' | 'after' | 'again'>> {
  /** Further units that this one brings along on its node: oneshots, a proxy in front of it. They name each other and this unit by `node/unit`. */
  companions?: PlanUnit[]
}

export interface UnitContext<Settings> {
  readonly topology: Topology
  /** Name of the node, and of the unit on it. */
  readonly node: string
  readonly unit: string
  readonly host: string
  readonly domain: string
  readonly settings: Settings
  /** Path of a trust domain's root on this node; declares the `copy` hand-over, and makes this unit wait for it. */
  anchor(domain: string): Template
  /** Folder or file of a credential that this node holds; makes this unit wait for it. Reports an undeclared one as a mistake. */
  credential(name: string): { path: Template; declaration: CredentialDeclaration | undefined }
  /** Path of a credential without waiting for it: for files that are watched and may come later. */
  credentialPath(name: string): Template
  /** `https://<host>:<port>` of a listener on some node; reports an unknown one as a mistake. */
  url(node: string, listener: string, protocol?: 'https' | 'wss' | 'tls'): string
  /** The issuer on a node, whatever its kind: its `iss`; makes this unit wait until it mints. Reports a node that is none as a mistake. */
  issuer(node: string): string
  /** Path of the root of that issuer's own certificate on this node; this unit waits for it, as for `anchor`. */
  issuerAnchor(node: string): Template
  /** A path of the user's: relative to the file of the topology, or to the working directory where there is none. */
  resolve(path: string): string
  /** What this node issues of one kind: resolved credentials. */
  issued<Name extends CredentialKindName>(kind: Name): PlanCredentialOf<Name>[]
  /** What units of the topology say of their insiders; while these are collected, what is known so far. */
  insiders(): readonly { readonly node: string; readonly insider: Insider }[]
  /** Adds a mistake of the topology: compiling reports all of them at once. `path` is relative to the unit. */
  mistake(path: string, message: string): void
}

/** What one must know to have something issued; each credential kind says what else. */
export interface Offer {
  /** Where it is asked, and what verifiers know it by. */
  url?: string
  /** Who asks: the node that issues, with what an operator of it has there; or whoever will hold what it issues. */
  by?: 'operator' | 'holder'
  /** The unit after which it can be asked. Default: the one that offers it. */
  after?: UnitRef
  /** Certificates of the topology that it knows themselves, not by a name in them: another of the same name will not do. */
  registered?: readonly string[]
  /** The root certificate of what it issues, on its node. */
  root?: Template
  /** The root of its own certificate, a file of this machine, for all who ask it. Default: that of its trust domain. */
  ca?: Template
}

/** One thing that a caller can do. */
export interface Action {
  summary: string
  listener: string
  /** How the credential's token is carried; `none` for calls that the certificate alone authorises. */
  carrier: 'bearer' | 'none'
  /** What a token must hold to be accepted, so that a topology that accepts less is a mistake. Absent: not known. */
  demands?: {
    scope?: readonly string[]
    /** `own`: the target's own audience. `peering`: the peering audience of its trust domain will do as well. Or what will do, as it stands in `aud`. */
    audience?: 'own' | 'peering' | readonly string[]
    /** The node of the only issuer that is believed. Default: that of the target's trust domain. */
    issuer?: string
  }
  /** A credential of the topology that is accepted although `accepts` does not say so: attacks are tried beside it. */
  accepted?: string
  /** Actions of a kind with the same text are judged by the same code in the same order. Default: told by `verification`. */
  alike?: string
  request: Spoken
}

/** One member: a protocol by its name, and what is said, in the form that its schema has. */
export type Spoken = Readonly<Record<string, unknown>>

export interface Observation {
  listener: string
  /** What is compared before and after: `{ http: { paths } }`. */
  request: Spoken
  /** Who looks: an operator (the default), or whoever is accepted for the action. */
  as?: 'operator' | 'accepted'
  /** JSON members that change by themselves (clocks, counters), left out of the comparison at any depth. */
  ignore: string[]
  /** Names in its picture whose lists grow with every test, of minted tokens say: files that share a site may leave them longer. */
  grows?: string[]
}
