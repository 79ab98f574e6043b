import type { z } from 'zod'
import type { PartName, Places, Presented } from '../credentials/parts.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import type { CertificateHeader } from '../pki/certificate-header.ts'
import type { ToolName } from '../toolchain/tools.ts'
import type { Endpoint } from './endpoint.ts'
import type { Session } from './session.ts'
import type { Failure } from './tls/connect.ts'

/**
 * How one kind of call is described, made, judged and told. General code finds a protocol by its name, in a list that it is handed,
 * and looks neither into requests nor into what only this protocol's answers hold.
 */
export interface Protocol<Request, Answer extends AnswerBase, Expected, Options> {
  /** The member of an action's `request` that it reads: `http`. */
  readonly name: string
  /** What an action can say. It is held to that when a plan is made, and handed on as it stands: defaults are not filled in. */
  readonly request: z.ZodType<Request>
  /** What a call can do otherwise than its action says. Any other option is a mistake: the call would be made without it. */
  readonly options: readonly (keyof Options)[]
  /** Where its answers are decided, as decision records call it. What ends before any answer was decided in TLS. */
  readonly layer: DecisionRecord['layer']
  prepare(call: Call<Request, Options>): Prepared<Answer, Options>
  /** What speaks against an answer being the one that is expected; empty when nothing does. */
  problems(answer: Answer, expected: Expected): string[]
  /** `401 invalid_token`; undefined where nothing was answered. */
  text(answer: Answer): string | undefined
  /** The same of what is expected: undefined where that is no answer at all. */
  wanted(expected: Expected): string | undefined
  /** The expectation that a text of that form stands for. */
  read(text: string): Expected
  /** A command to paste into a POSIX shell; no secret stands in it. */
  paste?(call: Pasted<Request>): string
  /** The program of the toolchain that such a command starts. Left out: one that is on most machines. */
  readonly pastes?: ToolName
  /** How it shows the state of a target. */
  readonly observation?: Observing
}

/** What a call tells, whatever it spoke. */
export interface AnswerBase {
  /** Null where the protocol has no status, or nothing was answered. */
  readonly status: number | null
  /** Error code, in the protocol's own words. */
  readonly error: string | null
  /** Another one that it tells elsewhere: in its body beside a challenge, say. */
  readonly otherError?: string | null
  /** What the far end said; empty where nothing came. */
  readonly body: string
  /** Why there was no whole answer. */
  readonly failure?: Failure
}

/** One call of an action. */
export interface Call<Request, Options> {
  readonly request: Request
  readonly presented: Presented
  /** Presented by a call that goes first over the same connection, and must be accepted. Who cannot do that throws. */
  readonly before?: Presented
  /** What it does otherwise than the action says. */
  readonly options: Options
  /** It goes past the proxy, and does as that would: the certificate is in this header, and TLS carries none. */
  readonly asProxy?: { readonly certificateHeader: CertificateHeader; readonly isPlain: boolean }
}

/** A call that has not been made yet. */
export interface Prepared<Answer extends AnswerBase, Options> {
  /** What an attack can change about it, beside credential, caller and target: calls of the same texts are the same. They may hold secrets. */
  readonly elements: Readonly<Record<string, string>>
  /** Parts of the credential that travel as the action says; without the certificate, which is for the handshake. */
  readonly carried: readonly PartName[]
  /** The same call without what it does otherwise; undefined where there is nothing of that. */
  readonly plain?: {
    /** The element in which it differs. */
    readonly element: string
    readonly options: Options
    /** Whether what it does otherwise stands in the place of the credential. */
    readonly isCredential: boolean
  }
  /** Over a connection of its own. The endpoint says from where and whereto; the certificate is put on it here, as is what the handshake does otherwise. */
  send(endpoint: Endpoint): Promise<Called<Answer>>
}

/** What the caller saw, and whether it is what the action promises. */
export interface Called<Answer extends AnswerBase> {
  readonly answer: Answer
  /** `address:port` of our end: the far end's `conn`. */
  readonly conn: string
  readonly ms: number
  readonly promised: boolean
  readonly session?: Session
  /** The action of the far end's first record of it, where it let the connection in before it refused what was asked over it. Absent: it writes one record. */
  readonly letInBy?: string
  /** The request and the answer as they stood on the wire, secrets and all, where the protocol has texts; for evidence, which is redacted. */
  readonly sent?: string
  readonly came?: string
  /** All that came, as text: what was presented must not come back in it. */
  readonly text: string
  /** What the answer says under a name, where the protocol has that: a header. */
  field?(name: string): string | undefined
}

/** What a command line is made of: paths are absolute paths on this machine. Commands read credentials there, so that no secret is printed. */
export interface Pasted<Request> extends Places {
  readonly request: Request
  readonly host: string
  readonly port: number
  /** It speaks no TLS. */
  readonly isPlain?: boolean
  /** Where the host really listens. */
  readonly address: string
  /** File of the roots that it leads to, or `system`: those that the command trusts anyway. */
  readonly anchor: string
  /** The program that it starts, built so that it follows the hosts in that file. Left out: what a shell finds. */
  readonly program?: { readonly path: string; readonly hosts: string }
  /** Words before the program, which lead to where the call is made. Left out: it is made from this machine. */
  readonly enter?: readonly string[] | undefined
}

/** Who looks at a target. */
export interface Looking {
  /** Host of the target. */
  readonly host: string
  get(path: string): Promise<{ readonly status: number | null; readonly json: unknown }>
}

export interface Observing<Observed = unknown> {
  readonly request: z.ZodType<Observed>
  /** What there is to see, by name. Rejects when it cannot be seen. */
  picture(observed: Observed, as: Looking): Promise<Readonly<Record<string, unknown>>>
}
